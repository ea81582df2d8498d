//! The hashes of the e-mail addresses in sealed sections, kept beside the log: events are found by an address.
//!
//! Rows are written together with their events, and removed together with the data key of their subject. No view holds
//! any.

use std::ops::Range;

use aggregates::{Position, SubjectId};

use super::StoreError;
use sealing::EmailHash;

/// An event that has an e-mail address in its personal section.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EmailRef {
    /// The event.
    pub position: Position,
    /// The address.
    pub hash: EmailHash,
    /// The subject whose data key seals it.
    pub subject: SubjectId,
}

topic! {
    /// The part of a [`Store`](super::Store) that finds events by the e-mail addresses in them.
    pub trait EmailStore {
        /// The newest `limit` events with an address, newest first.
        async fn with_email(&self, hash: EmailHash, limit: u32) -> Result<Vec<(Position, SubjectId)>, StoreError>;

        /// The subjects whose events have an address, at most `limit`, each with the newest of these events.
        async fn subjects_with_email(
            &self,
            hash: EmailHash,
            limit: u32,
        ) -> Result<Vec<(SubjectId, Position)>, StoreError>;

        /// All rows with these positions, in their order; the whole table is read for it. A row of no event can have
        /// any position.
        async fn email_refs(&self, positions: Range<i64>) -> Result<Vec<(i64, EmailHash, String)>, StoreError>;

        /// The position after which every event has its rows. Earlier events lack them in a ledger of a version that
        /// did not write any, until they are made.
        async fn emails_after(&self) -> Result<Position, StoreError>;

        /// Removes all rows, so that they can be made anew for the events up to the returned position.
        async fn forget_emails(&self) -> Result<Position, StoreError>;

        /// Adds the rows of the events after `from` up to `until`, which has to be the position after which all events
        /// have theirs; it is `from` then. Rows of subjects that were erased since are left out. False, and nothing is
        /// added, if another process has added them.
        async fn add_emails(
            &self,
            from: Position,
            until: Position,
            rows: &[EmailRef],
        ) -> Result<bool, StoreError>;
    }
}
