//! Webhooks that were refused and are kept aside, sealed, for a bounded time.

use aggregates::{EventId, Source};
use jiff::Timestamp;

use super::StoreError;
use sealing::Sealed;

/// A refused webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedWebhook {
    /// Its name: random letters and digits.
    pub id: EventId,
    /// When it came.
    pub at: Timestamp,
    /// The source that it claims to be of.
    pub source: Source,
    /// Where it came from, as it is shown.
    pub address: String,
    /// Where it came from, as it is counted: an address, or a network of IPv6.
    pub sender: String,
    /// Why it was refused.
    pub cause: String,
    /// The scheme under which its signature would have matched a key of that time, if there is one.
    pub scheme: Option<String>,
    /// The event id that its body claims.
    pub event_id: Option<EventId>,
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct RefusedBounds {
    /// Bytes.
    pub bytes: u64,
    /// Webhooks.
    pub count: u64,
    /// A sender is known if an authentic webhook came from there since.
    pub known_since: Timestamp,
}

/// A kept webhook as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRefused {
    /// The webhook.
    pub refused: RefusedWebhook,
    /// Whether authentic webhooks had come from there.
    pub known: bool,
    /// The size of what is kept, in bytes.
    pub size: u64,
}

topic! {
    /// The part of a [`Store`](super::Store) that keeps refused webhooks aside.
    pub trait RefusedStore {
        /// Keeps one. Known senders and the others have half of the room each, and one sender at most an eighth of all;
        /// the oldest of the same sender, or of the same half, make room. Returns how many were removed for it; none if
        /// it is larger than a sender's share, and then nothing is kept.
        async fn keep_refused(
            &self,
            refused: &RefusedWebhook,
            sealed: &Sealed,
            bounds: RefusedBounds,
        ) -> Result<Option<u64>, StoreError>;

        /// Kept ones, oldest first, at most `limit` after a place: a time and a name.
        async fn refused(
            &self,
            after: Option<(Timestamp, &EventId)>,
            limit: u32,
        ) -> Result<Vec<KeptRefused>, StoreError>;

        /// One of them, with its sealed bytes.
        async fn refused_webhook(&self, id: &EventId) -> Result<Option<(KeptRefused, Sealed)>, StoreError>;

        /// Removes one.
        async fn forget_refused(&self, id: &EventId) -> Result<(), StoreError>;

        /// Removes those from before a time; returns how many.
        async fn expire_refused(&self, before: Timestamp) -> Result<u64, StoreError>;
    }
}
