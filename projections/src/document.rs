//! Views as the stored JSON texts.
//!
//! Stamps are most of the bytes of a view: a document writes each once ([`stamp`](crate::stamp)).

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::stamp;

/// The stored text of a view: equal views give equal texts.
///
/// # Errors
/// If it cannot be written as JSON.
pub fn write<V: Serialize>(view: &V) -> serde_json::Result<String> {
    stamp::numbered_within(|| serde_json::to_string(view))
}

/// Reads a stored view.
///
/// # Errors
/// If it is not a view of this type.
pub fn read<V: DeserializeOwned>(document: &str) -> serde_json::Result<V> {
    stamp::numbered_within(|| serde_json::from_str(document))
}

#[cfg(test)]
mod tests {
    use aggregates::Position;

    use super::*;
    use crate::stamp::Stamp;
    use crate::testing::assigned;

    fn stamp(position: u64) -> Stamp {
        Stamp::of(&assigned("E", "O1").sent("2025-10-27T20:00:00Z").at(Position(position)))
    }

    #[test]
    fn a_stamp_is_spelled_once() {
        let view = vec![stamp(1), stamp(2), stamp(1), stamp(2), stamp(1)];
        let document = write(&view).unwrap();
        assert_eq!(
            document,
            r#"[["2025-10-27T20:00:00Z",7,1],["2025-10-27T20:00:00Z",7,2],0,1,0]"#
        );
        assert_eq!(read::<Vec<Stamp>>(&document).unwrap(), view);
        // each document has stamps of its own
        assert_eq!(write(&view).unwrap(), document);
    }

    #[test]
    fn a_number_that_stands_for_nothing_is_an_error() {
        let error = read::<Vec<Stamp>>("[3]").unwrap_err();
        assert!(error.to_string().contains("stamp"), "{error}");
    }
}
