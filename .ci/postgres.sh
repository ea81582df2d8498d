# shellcheck shell=bash
# A PostgreSQL for tests, to be sourced after debian.sh. `postgres_start` starts a private server, creates a database there and sets
# POSTGRES_URL to it; `postgres_stop` removes everything again.
#
# The server: $WARMLEDGER_TEST_POSTGRES_URL if it is set, else a private cluster in a temporary directory, which has as many
# connections as the tests need and touches nobody's data. What that needs is installed with apt if it can be.

postgres_dir=
postgres_server=
postgres_database=
POSTGRES_URL=

# postgres_usable URL: whether we may create databases there.
postgres_usable() {
  [ "$(PGCONNECT_TIMEOUT=3 psql -XAtqw "$1" \
    -c 'select rolsuper or rolcreatedb from pg_roles where rolname = current_user' 2>/dev/null)" = t ]
}

# The newest installed server's programs; a distribution doesn't put them in the PATH.
postgres_bin() {
  local dir
  for dir in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV) "$(pg_config --bindir 2>/dev/null)"; do
    if [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ]; then
      echo "$dir"
      return
    fi
  done
  dir=$(command -v initdb) && dirname "$dir"
}

# postgres_as_owner COMMAND…: initdb and the server refuse to run as root.
postgres_as_owner() {
  if [ "$(id -u)" != 0 ]; then
    "$@"
  else
    setpriv --reuid="$postgres_owner" --regid="$(id -g "$postgres_owner")" --clear-groups env HOME="$postgres_dir" "$@"
  fi
}

postgres_private() {
  local bin
  bin=$(postgres_bin) && command -v psql >/dev/null || { debian_install postgresql && bin=$(postgres_bin); } || {
    echo "No PostgreSQL server can be reached, and none can be installed: install the package postgresql," >&2
    echo "or set WARMLEDGER_TEST_POSTGRES_URL to a server on which databases may be created." >&2
    return 1
  }
  # Not under $TMPDIR: the path of a socket must be short.
  postgres_dir=$(mktemp -d /tmp/warmledger-pg.XXXXXX)
  postgres_owner=$(id -un)
  if [ "$postgres_owner" = root ]; then
    postgres_owner=postgres
    id "$postgres_owner" >/dev/null 2>&1 || postgres_owner=nobody
    chown "$postgres_owner" "$postgres_dir"
  fi
  echo "Starting a private PostgreSQL in $postgres_dir." >&2
  # Only who may enter the directory (mode 0700) reaches the socket, so it needs no password. Nothing in it is to
  # survive a power cut, so it needs no fsync.
  (
    cd "$postgres_dir" || exit
    postgres_as_owner "$bin/initdb" -D data -U postgres -A trust -E UTF8 --no-locale --no-sync >initdb.log &&
      postgres_as_owner "$bin/pg_ctl" -D data -w -t 60 -l server.log start >/dev/null -o \
        "-c listen_addresses= -c unix_socket_directories=$postgres_dir -c port=5432 -c fsync=off -c max_connections=500 -c shared_buffers=64MB"
  ) || {
    cat "$postgres_dir"/*.log >&2
    return 1
  }
  postgres_bin_used=$bin
  postgres_server="postgres:///postgres?host=$postgres_dir&port=5432&user=postgres"
}

postgres_start() {
  if [ -n "${WARMLEDGER_TEST_POSTGRES_URL:-}" ]; then
    postgres_server=$WARMLEDGER_TEST_POSTGRES_URL
    postgres_usable "$postgres_server" || {
      echo "WARMLEDGER_TEST_POSTGRES_URL names no server on which databases may be created (or psql is missing)." >&2
      return 1
    }
  else
    postgres_private || return 1
  fi
  postgres_database="warmledger_test_$$_$RANDOM$RANDOM"
  psql -Xqw -v ON_ERROR_STOP=1 "$postgres_server" -c "create database $postgres_database" || return 1
  POSTGRES_URL=$(sed -E "s#^(postgres(ql)?://[^/?]*)(/[^?]*)?#\1/$postgres_database#" <<<"$postgres_server")
}

# Also drops the databases that tests have made beside ours, named after it, and left behind when they were killed.
postgres_stop() {
  local name
  if [ -n "$postgres_dir" ]; then
    [ -f "$postgres_dir/data/postmaster.pid" ] &&
      (cd "$postgres_dir" && postgres_as_owner "$postgres_bin_used/pg_ctl" -D data -m immediate stop >/dev/null)
    rm -rf "$postgres_dir"
  elif [ -n "$postgres_database" ]; then
    psql -XAtqw "$postgres_server" \
      -c "select datname from pg_database where starts_with(datname, '$postgres_database')" |
      while read -r name; do
        psql -Xqw "$postgres_server" -c "drop database if exists \"$name\" with (force)" </dev/null
      done
  fi
  postgres_dir='' postgres_database=''
}
