# shellcheck shell=bash
# What the tests need of Debian, to be sourced.

# debian_install PACKAGE…: installs packages with apt, as root or by sudo without a password; fails if it can't.
debian_install() {
  local sudo=()
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || return 1
    sudo=(sudo -n)
  fi
  command -v apt-get >/dev/null || return 1
  echo "Installing Debian's $*." >&2
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update >&2 &&
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >&2
}

# debian_need PROGRAM PACKAGE: installs the package if the program is not there.
debian_need() {
  PATH=$PATH:/usr/sbin command -v "$1" >/dev/null || debian_install "$2" || {
    echo "The tests need the program $1, which cannot be installed: install the package $2." >&2
    return 1
  }
}

# debian_need_file PATH PACKAGE: installs the package if the file is not there.
debian_need_file() {
  [ -e "$1" ] || debian_install "$2" || {
    echo "The tests need $1, which cannot be installed: install the package $2." >&2
    return 1
  }
}
