//! Views as the JSON texts in which they are stored.
//!
//! A view may name the same event in a dozen places, and [`Stamp`]s are most of its bytes. So a document spells a stamp once,
//! where it first stands, and is content with its number after that: the first one spelled is number 0.

use std::cell::RefCell;
use std::collections::HashMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::ser::Error;

use crate::merge::Stamp;

thread_local! {
    /// The stamps of the document that this thread reads or writes, if it does.
    static STAMPS: RefCell<Option<Stamps>> = const { RefCell::new(None) };
    /// Where it is written: a text that grows is copied again and again.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A buffer that is kept for the next document is at most so large, in bytes.
const KEPT: usize = 64 << 10;

/// The stamps of one document, in the order in which they are spelled.
#[derive(Default)]
struct Stamps {
    spelled: Vec<Stamp>,
    /// The numbers of all but the first few: those are compared, which mostly is the end of it.
    numbers: HashMap<Stamp, usize>,
}

/// So many stamps are compared before the others are looked up.
const FEW: usize = 4;

/// The view as it is stored: equal views are equal texts.
///
/// # Errors
/// If it cannot be written as JSON.
pub fn write<V: Serialize>(view: &V) -> serde_json::Result<String> {
    let mut buffer = BUFFER.take();
    STAMPS.set(Some(Stamps::default()));
    let written = serde_json::to_writer(&mut buffer, view);
    STAMPS.set(None);
    written?;
    let document = if buffer.capacity() > KEPT {
        buffer
    } else {
        let document = buffer.clone();
        buffer.clear();
        BUFFER.set(buffer);
        document
    };
    String::from_utf8(document).map_err(serde_json::Error::custom)
}

/// A stored view.
///
/// # Errors
/// If it is not one of this kind.
pub fn read<V: DeserializeOwned>(document: &str) -> serde_json::Result<V> {
    STAMPS.set(Some(Stamps::default()));
    let read = serde_json::from_str(document);
    STAMPS.set(None);
    read
}

/// The number of a stamp that the document has spelled; none if it is to be spelled now.
pub(crate) fn number(stamp: &Stamp) -> Option<usize> {
    STAMPS.with_borrow_mut(|stamps| {
        let Stamps { spelled, numbers } = stamps.as_mut()?;
        let few = spelled.iter().take(FEW).position(|known| known == stamp);
        let known = few.or_else(|| numbers.get(stamp).copied());
        if known.is_none() {
            if spelled.len() >= FEW {
                numbers.insert(*stamp, spelled.len());
            }
            spelled.push(*stamp);
        }
        known
    })
}

/// Takes note of a stamp that the document spells.
pub(crate) fn spelled(stamp: &Stamp) {
    STAMPS.with_borrow_mut(|stamps| {
        if let Some(stamps) = stamps {
            stamps.spelled.push(*stamp);
        }
    });
}

/// The stamp with this number.
pub(crate) fn numbered(number: usize) -> Option<Stamp> {
    STAMPS.with_borrow(|stamps| stamps.as_ref()?.spelled.get(number).cloned())
}

#[cfg(test)]
mod tests {
    use aggregates::Position;

    use super::*;
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
            r#"[["2025-10-27T20:00:00Z",2,1],["2025-10-27T20:00:00Z",2,2],0,1,0]"#
        );
        assert_eq!(read::<Vec<Stamp>>(&document).unwrap(), view);
        // each document by itself
        assert_eq!(write(&view).unwrap(), document);
    }

    #[test]
    fn a_number_that_stands_for_nothing_is_an_error() {
        let error = read::<Vec<Stamp>>("[3]").unwrap_err();
        assert!(error.to_string().contains("stamp"), "{error}");
    }
}
