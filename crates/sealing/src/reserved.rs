//! Subjects that are nobody: their data keys are the ledger's own. No user or stream has such a subject: a user's has no
//! `~`, and a stream's has a `-`.

use aggregates::SubjectId;

/// The names of them all.
pub const RESERVED: [&str; 2] = ["~fingerprint", "~refused"];

/// The subject whose key makes fingerprints.
pub(super) fn fingerprint() -> SubjectId {
    reserved(RESERVED[0])
}

/// The subject whose key seals refused webhooks that are kept aside.
pub fn refused() -> SubjectId {
    reserved(RESERVED[1])
}

/// Whether a subject is one of them.
pub fn is_reserved(subject: &SubjectId) -> bool {
    RESERVED.contains(&subject.as_str())
}

fn reserved(name: &str) -> SubjectId {
    // constant identifiers, as a test checks
    SubjectId::parse(name).expect("an identifier")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_subjects_are_those_of_no_user_and_no_stream() {
        for subject in [fingerprint(), refused()] {
            assert!(is_reserved(&subject));
            assert!(aggregates::UserId::parse(subject.as_str()).is_err());
            assert!(!subject.as_str().contains('-'));
        }
        assert!(!is_reserved(&SubjectId::parse("U1").unwrap()));
    }
}
