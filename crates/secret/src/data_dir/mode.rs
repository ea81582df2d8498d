//! Who can read a file of secrets. An orchestrator that mounts a volume for a group gives that group access to every
//! file (Kubernetes' `fsGroup` makes them 0660), and mounts secrets 0440: so access of a group that this process is in
//! is accepted.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::process::{getegid, getgroups};

/// Who can read the file besides its owner and the groups of this process; none if no others can.
pub(super) fn others_who_may_read(file: &Metadata) -> io::Result<Option<String>> {
    let mut ours: Vec<u32> = getgroups()?.into_iter().map(|group| group.as_raw()).collect();
    ours.push(getegid().as_raw());
    Ok(others_of(file.mode(), file.gid(), &ours))
}

fn others_of(mode: u32, group: u32, ours: &[u32]) -> Option<String> {
    if mode & 0o007 != 0 {
        Some("others".to_owned())
    } else if mode & 0o070 != 0 && !ours.contains(&group) {
        Some(format!("group {group}, which this process is not in"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_is_for_the_owner_and_for_our_groups() {
        for mode in [0o600, 0o400] {
            assert_eq!(others_of(mode, 7, &[1]), None);
        }
        for mode in [0o660, 0o640, 0o440] {
            assert_eq!(others_of(mode, 7, &[1, 7]), None, "{mode:o}");
            let told = others_of(mode, 7, &[1]);
            assert_eq!(
                told.as_deref(),
                Some("group 7, which this process is not in"),
                "{mode:o}"
            );
        }
        for mode in [0o644, 0o604, 0o602, 0o664] {
            assert_eq!(others_of(mode, 7, &[7]).as_deref(), Some("others"), "{mode:o}");
        }
    }
}
