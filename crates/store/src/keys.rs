//! The wrapped data keys, the master key that wraps them, and the subjects they belong to.

use aggregates::{Position, SubjectId};

use super::{Fence, StoreError};
use sealing::{MasterKeyId, WrappedKey};

/// A data key that was wrapped anew.
pub struct Rewrapped {
    /// Whose it is.
    pub subject: SubjectId,
    /// The wrapped bytes that are replaced; if they are not there any more, nothing is.
    pub from: Vec<u8>,
    /// Those that take their place.
    pub to: Vec<u8>,
}

/// What is known of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectState {
    /// Whom.
    pub subject: SubjectId,
    /// The event that put it under legal hold, while it is.
    pub held_at: Option<Position>,
    /// The event that erased it last. What was recorded since can be opened again.
    pub erased_at: Option<Position>,
    /// Whether it has a data key.
    pub has_key: bool,
}

/// What an event does to its subject.
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
    /// Whether the event has done what it says, unless a later one undid it.
    pub(super) fn in_effect(self) -> &'static str {
        match self {
            Self::Erased => {
                "SELECT EXISTS (SELECT 1 FROM subjects WHERE subject = $1 AND erased_at >= $2)
                    AND NOT EXISTS (
                        SELECT 1 FROM data_keys WHERE subject = $1 AND NOT EXISTS (
                            SELECT 1 FROM events WHERE position > $2 AND subject = $1 AND original IS NOT NULL))"
            }
            Self::Held => {
                "SELECT EXISTS (SELECT 1 FROM subjects WHERE subject = $1 AND held_at IS NOT NULL)
                    OR EXISTS (SELECT 1 FROM events WHERE position > $2 AND subject = $1 AND type = 'SubjectReleased')"
            }
            Self::Released => "SELECT NOT EXISTS (SELECT 1 FROM subjects WHERE subject = $1 AND held_at <= $2)",
        }
    }

    /// Does what the event says, as its trigger should have. A key that something was sealed under since is a new one: none
    /// can be stored while the old one is there.
    pub(super) fn statements(self) -> &'static [&'static str] {
        match self {
            Self::Erased => &[
                "DELETE FROM data_keys WHERE subject = $1 AND NOT EXISTS (
                    SELECT 1 FROM events WHERE position > $2 AND subject = $1 AND original IS NOT NULL)",
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

/// The last erasure of each subject that is not in effect. $1 is the time now: a key that was made later is looked at too,
/// for then a clock was wrong.
pub(super) const ERASURES_WITHOUT_EFFECT: &str = "
    SELECT erased.subject AS subject, erased.position AS position
    FROM (SELECT subject, max(position) AS position FROM events WHERE type = 'SubjectErased' GROUP BY subject) AS erased
    JOIN events ON events.position = erased.position
    LEFT JOIN subjects ON subjects.subject = erased.subject
    LEFT JOIN data_keys ON data_keys.subject = erased.subject
    WHERE coalesce(subjects.erased_at, 0) < erased.position
        OR (data_keys.subject IS NOT NULL AND (data_keys.created_at <= events.recorded_at OR data_keys.created_at > $1)
            AND NOT EXISTS (SELECT 1 FROM events AS later WHERE later.position > erased.position
                AND later.subject = erased.subject AND later.original IS NOT NULL))
    ORDER BY 2";

topic! {
    /// The part of a store that is about keys.
    ///
    /// Subjects are erased, held and released by recording `SubjectErased`, `SubjectHeld` and `SubjectReleased`: the event and
    /// what it says are one atomic step. `SubjectErased` is refused with [`StoreError::Held`] under legal hold.
    pub trait KeyStore {
        /// The master key that new data keys are wrapped under; none before the ledger's first start.
        async fn master_key(&self) -> Result<Option<MasterKeyId>, StoreError>;

        /// Says which master key that is, unless it has been said. Returns the one that stands.
        async fn first_master_key(&self, id: MasterKeyId) -> Result<MasterKeyId, StoreError>;

        /// Puts another master key in the place of `from`. Once this returns, no data key under any other comes in: an append
        /// that brings one is answered [`Append::Conflict`](super::Append::Conflict). `false`, and nothing changed, if it was
        /// not `from`.
        async fn set_master_key(&self, from: MasterKeyId, to: MasterKeyId) -> Result<bool, StoreError>;

        /// Data keys that are not wrapped by this master key, in the order of their subjects, at most `limit`.
        async fn keys_not_under(
            &self,
            id: MasterKeyId,
            after: Option<&SubjectId>,
            limit: u32,
        ) -> Result<Vec<WrappedKey>, StoreError>;

        /// Replaces wrapped keys, all in one transaction. Tells how many were still there to be replaced.
        /// [`StoreError::Overtaken`], and nothing written, if somebody else has taken over the lease that it is done `under`.
        async fn rewrap(&self, keys: &[Rewrapped], under: Option<Fence>) -> Result<u64, StoreError>;

        /// How many data keys each master key wraps.
        async fn key_counts(&self) -> Result<Vec<(MasterKeyId, u64)>, StoreError>;

        /// The bytes of keys that were destroyed or replaced leave the files, as far as the database can see to that: SQLite
        /// empties its write-ahead log. PostgreSQL reuses their place in its own time.
        async fn scrub(&self) -> Result<(), StoreError>;

        /// Which of these subjects have no data key.
        async fn without_key(&self, subjects: &[SubjectId]) -> Result<Vec<SubjectId>, StoreError>;

        /// Subjects whose wrapped data keys do not have [`WRAPPED_KEY`](sealing::WRAPPED_KEY) bytes, at most `limit`.
        async fn misshapen_keys(&self, limit: u32) -> Result<Vec<SubjectId>, StoreError>;

        /// All data keys, that of the fingerprints included, in the order of their subjects, at most `limit` after `after`.
        async fn data_keys(&self, after: Option<&SubjectId>, limit: u32) -> Result<Vec<WrappedKey>, StoreError>;

        /// Subjects with a data key that no event names, at most `limit`. Each key but that of the fingerprints comes in with an
        /// event of its subject, in one step.
        async fn unnamed_keys(&self, limit: u32) -> Result<Vec<SubjectId>, StoreError>;

        /// What is known of these subjects. One that has no key and was never held or erased is not known.
        async fn subjects(&self, subjects: &[SubjectId]) -> Result<Vec<SubjectState>, StoreError>;

        /// What is known of all subjects, by name, at most `limit` after `after`.
        async fn all_subjects(&self, after: Option<&SubjectId>, limit: u32) -> Result<Vec<SubjectState>, StoreError>;

        /// The subjects that stand for a stream since no user is known there, and have a key, at most `limit` after `after`.
        async fn stream_subjects(&self, after: Option<&SubjectId>, limit: u32) -> Result<Vec<SubjectId>, StoreError>;

        /// Whether an event has done to its subject what it says: a trigger does it in the same step, if it is there.
        async fn is_in_effect(&self, mark: Mark, subject: &SubjectId, position: Position) -> Result<bool, StoreError>;

        /// Does to a subject what the event at this position says. [`StoreError::Held`] if it would erase somebody under legal hold.
        async fn put_into_effect(&self, mark: Mark, subject: &SubjectId, position: Position) -> Result<(), StoreError>;

        /// The erasures that the log tells of and that are not in effect: whose, and where.
        async fn erasures_without_effect(&self) -> Result<Vec<(SubjectId, Position)>, StoreError>;

        /// All subjects that were ever held or erased, and the end of the log at the same moment; 0 if the head is gone.
        async fn marked_subjects(&self) -> Result<(Position, Vec<SubjectState>), StoreError>;

        /// All subjects that were ever erased.
        async fn erased_subjects(&self) -> Result<Vec<SubjectState>, StoreError>;

        /// The wrapped data key of a reserved subject; `offer` is stored and returned if there is none yet.
        async fn reserved_key(&self, subject: &SubjectId, offer: &[u8]) -> Result<Vec<u8>, StoreError>;
    }
}
