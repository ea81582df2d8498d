//! The wrapped data keys, the master key that wraps them, and the subjects they belong to.

use aggregates::{Position, SubjectId};

use super::{Fence, StoreError};
use sealing::{MasterKeyId, WrappedKey};

/// A data key that was wrapped with another master key.
pub struct Rewrapped {
    /// The subject it belongs to.
    pub subject: SubjectId,
    /// The wrapped bytes to replace; if they are gone, nothing is replaced.
    pub from: Vec<u8>,
    /// The new wrapped bytes.
    pub to: Vec<u8>,
}

/// The state of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectState {
    /// The subject.
    pub subject: SubjectId,
    /// The event that put it under legal hold, if it is under hold.
    pub held_at: Option<Position>,
    /// The event that erased it last. Later events can be opened again.
    pub erased_at: Option<Position>,
    /// Whether it has a data key.
    pub has_key: bool,
}

/// The mark that an event sets on its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// `SubjectErased`
    Erased,
    /// `SubjectHeld`
    Held,
    /// `SubjectReleased`
    Released,
}

// The statements below are the same in both dialects. $1 is the subject, $2 the position of the event.

impl Mark {
    /// Whether the mark is set, unless a later event undid it.
    pub(super) fn in_effect(self) -> &'static str {
        match self {
            Self::Erased => {
                "SELECT EXISTS (SELECT 1 FROM subjects WHERE subject = $1 AND erased_at >= $2)
                    AND NOT EXISTS (
                        SELECT 1 FROM data_keys WHERE subject = $1 AND NOT EXISTS (
                            SELECT 1 FROM events WHERE position > $2 AND subject = $1 AND original IS NOT NULL))
                    AND NOT EXISTS (SELECT 1 FROM email_refs WHERE subject = $1 AND position <= $2)"
            }
            Self::Held => {
                "SELECT EXISTS (SELECT 1 FROM subjects WHERE subject = $1 AND held_at IS NOT NULL)
                    OR EXISTS (SELECT 1 FROM events WHERE position > $2 AND subject = $1 AND type = 'SubjectReleased')"
            }
            Self::Released => "SELECT NOT EXISTS (SELECT 1 FROM subjects WHERE subject = $1 AND held_at <= $2)",
        }
    }

    /// Sets the mark, as the event's trigger should have. A key that later events were sealed under is a new one, and
    /// stays: no new key can be stored while the old one exists.
    pub(super) fn statements(self) -> &'static [&'static str] {
        match self {
            Self::Erased => &[
                "DELETE FROM data_keys WHERE subject = $1 AND NOT EXISTS (
                    SELECT 1 FROM events WHERE position > $2 AND subject = $1 AND original IS NOT NULL)",
                "DELETE FROM email_refs WHERE subject = $1 AND position <= $2",
                "INSERT INTO subjects (subject, erased_at) VALUES ($1, $2)
                 ON CONFLICT (subject) DO UPDATE SET erased_at = excluded.erased_at
                 WHERE coalesce(subjects.erased_at, 0) < excluded.erased_at",
            ],
            Self::Held => &[
                "INSERT INTO subjects (subject, held_at) SELECT CAST($1 AS text), CAST($2 AS bigint)
                 WHERE NOT EXISTS (
                     SELECT 1 FROM events WHERE position > $2 AND subject = $1 AND type = 'SubjectReleased')
                 ON CONFLICT (subject) DO UPDATE SET held_at = coalesce(subjects.held_at, excluded.held_at)",
            ],
            Self::Released => &["UPDATE subjects SET held_at = NULL WHERE subject = $1 AND held_at <= $2"],
        }
    }
}

/// The last erasure of each subject that has no effect. $1 is the time now: a key stamped later is included too, since
/// then a clock was wrong.
pub(super) const ERASURES_WITHOUT_EFFECT: &str = "
    SELECT erased.subject AS subject, erased.position AS position
    FROM (SELECT subject, max(position) AS position FROM events WHERE type = 'SubjectErased' GROUP BY subject) AS erased
    JOIN events ON events.position = erased.position
    LEFT JOIN subjects ON subjects.subject = erased.subject
    LEFT JOIN data_keys ON data_keys.subject = erased.subject
    WHERE coalesce(subjects.erased_at, 0) < erased.position
        OR EXISTS (SELECT 1 FROM email_refs AS refs
            WHERE refs.subject = erased.subject AND refs.position <= erased.position)
        OR (data_keys.subject IS NOT NULL AND (data_keys.created_at <= events.recorded_at OR data_keys.created_at > $1)
            AND NOT EXISTS (SELECT 1 FROM events AS later WHERE later.position > erased.position
                AND later.subject = erased.subject AND later.original IS NOT NULL))
    ORDER BY 2";

topic! {
    /// The part of a [`Store`](super::Store) that stores keys.
    ///
    /// To erase, hold or release a subject, append `SubjectErased`, `SubjectHeld` or `SubjectReleased`: the event and
    /// its effect are one atomic step. `SubjectErased` is refused with [`StoreError::Held`] under legal hold.
    pub trait KeyStore {
        /// The master key that wraps new data keys; none before the ledger's first start.
        async fn master_key(&self) -> Result<Option<MasterKeyId>, StoreError>;

        /// Stores the first master key's id, unless there is one. Returns the stored one.
        async fn first_master_key(&self, id: MasterKeyId) -> Result<MasterKeyId, StoreError>;

        /// Replaces the master key `from`. Once this returns, no data key under any other is stored: an append with
        /// such a key is answered [`Append::Conflict`](super::Append::Conflict). Returns `false` and changes nothing if
        /// the master key was not `from`.
        async fn set_master_key(&self, from: MasterKeyId, to: MasterKeyId) -> Result<bool, StoreError>;

        /// Data keys that are not wrapped by this master key, in the order of their subjects, at most `limit`.
        async fn keys_not_under(
            &self,
            id: MasterKeyId,
            after: Option<&SubjectId>,
            limit: u32,
        ) -> Result<Vec<WrappedKey>, StoreError>;

        /// Replaces wrapped keys, all in one transaction. Returns how many were still there to be replaced.
        /// [`StoreError::Overtaken`], with nothing written, if another process has taken over the lease named by
        /// `under`.
        async fn rewrap(&self, keys: &[Rewrapped], under: Option<Fence>) -> Result<u64, StoreError>;

        /// How many data keys each master key wraps.
        async fn key_counts(&self) -> Result<Vec<(MasterKeyId, u64)>, StoreError>;

        /// Removes the bytes of destroyed or replaced keys from the files, as far as the database allows: SQLite
        /// empties its write-ahead log. PostgreSQL reuses the space in its own time.
        async fn scrub(&self) -> Result<(), StoreError>;

        /// Which of these subjects have no data key.
        async fn without_key(&self, subjects: &[SubjectId]) -> Result<Vec<SubjectId>, StoreError>;

        /// Subjects whose wrapped data keys do not have [`WRAPPED_KEY`](sealing::WRAPPED_KEY) bytes, at most `limit`.
        async fn misshapen_keys(&self, limit: u32) -> Result<Vec<SubjectId>, StoreError>;

        /// All data keys, including the fingerprint key, in the order of their subjects, at most `limit` after `after`.
        async fn data_keys(&self, after: Option<&SubjectId>, limit: u32) -> Result<Vec<WrappedKey>, StoreError>;

        /// Subjects with a data key but without an event, at most `limit`. Every key except the ledger's own is
        /// stored together with an event of its subject.
        async fn unnamed_keys(&self, limit: u32) -> Result<Vec<SubjectId>, StoreError>;

        /// The states of these subjects. A subject without a key that was never held or erased is unknown.
        async fn subjects(&self, subjects: &[SubjectId]) -> Result<Vec<SubjectState>, StoreError>;

        /// The states of all subjects, by name, at most `limit` after `after`.
        async fn all_subjects(&self, after: Option<&SubjectId>, limit: u32) -> Result<Vec<SubjectState>, StoreError>;

        /// The subjects of streams without a known user that have a key, at most `limit` after `after`.
        async fn stream_subjects(&self, after: Option<&SubjectId>, limit: u32) -> Result<Vec<SubjectId>, StoreError>;

        /// Whether the event's mark is set on its subject: a trigger sets it in the same step, if the trigger exists.
        async fn is_in_effect(&self, mark: Mark, subject: &SubjectId, position: Position) -> Result<bool, StoreError>;

        /// Sets the mark of the event at this position on a subject. [`StoreError::Held`] if it would erase a subject
        /// under legal hold.
        async fn put_into_effect(&self, mark: Mark, subject: &SubjectId, position: Position) -> Result<(), StoreError>;

        /// The erasures in the log that have no effect: subjects and positions.
        async fn erasures_without_effect(&self) -> Result<Vec<(SubjectId, Position)>, StoreError>;

        /// All subjects that were ever held or erased, and the head's position at the same moment; 0 if the head row is
        /// missing.
        async fn marked_subjects(&self) -> Result<(Position, Vec<SubjectState>), StoreError>;

        /// All subjects that were ever erased.
        async fn erased_subjects(&self) -> Result<Vec<SubjectState>, StoreError>;

        /// The wrapped data key of a reserved subject; stores and returns `offer` if there is none yet.
        async fn reserved_key(&self, subject: &SubjectId, offer: &[u8]) -> Result<Vec<u8>, StoreError>;
    }
}
