//! Refused webhooks that are kept aside, sealed, outside of the ledger: after a wrong key the provider's tries end within
//! minutes, and an order with its credentials would be gone.
//!
//! They are sealed under a key of their own ([`reserved::refused`]). Nothing of them is recorded before a key that is
//! configured signs them.

use std::sync::Arc;
use std::time::Duration;

use aggregates::{AccessEvent, AccessFacts, EventId, Position, StreamId};

use crate::ingest::{Ingest, IngestError};
use crate::{Original, Outcome, RecordError};
use sealing::{Context, Packed, SealError, Sealed, Section, reserved};
use store::{KeptRefused, RefusedBounds, RefusedWebhook, Store, StoreError, clock};
use vault::{OpenVaultError, Vault, VaultError};

/// How many are kept at most.
const MOST: u64 = 10_000;

/// What is kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How long; nothing is kept if it is zero.
    pub keep: Duration,
    /// How many bytes.
    pub bytes: u64,
    /// For how long a sender counts as known after an authentic webhook.
    pub known_for: Duration,
}

/// Why a refused webhook could not be kept or replayed.
#[derive(Debug, thiserror::Error)]
pub enum RefusedError {
    /// There is none of this name.
    #[error("no refused webhook {0} is kept: it was taken in, or is older than refused_keep, or others took its place")]
    Unknown(EventId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be sealed or opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The key's source failed.
    #[error(transparent)]
    Key(#[from] OpenVaultError),
    /// It could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl From<SealError> for RefusedError {
    fn from(error: SealError) -> Self {
        Self::Vault(error.into())
    }
}

/// Keeps refused webhooks.
pub struct Keeper {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    bounds: Bounds,
}

/// What became of one that was replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It is recorded.
    Recorded(Position),
    /// It is recorded as a quarantined webhook: it is authentic, and cannot be used.
    Quarantined(Position),
    /// It had been recorded before.
    AlreadyThere(Position),
    /// It is still refused, for this reason, and still kept.
    Refused(String),
}

impl Keeper {
    /// Keeps within these bounds.
    pub fn new(store: Arc<dyn Store>, vault: Arc<Vault>, bounds: Bounds) -> Self {
        Self { store, vault, bounds }
    }

    /// Whether anything is kept.
    pub fn is_on(&self) -> bool {
        !self.bounds.keep.is_zero()
    }

    /// Seals and keeps a webhook; returns once it is durable. False if it is larger than its sender's share.
    ///
    /// # Errors
    /// [`RefusedError`]
    pub async fn keep(&self, refused: &RefusedWebhook, original: &Original) -> Result<bool, RefusedError> {
        let plain = original.encode().map_err(|_| SealError::Corrupt)?;
        let packed = Packed::compress(plain.expose())?;
        let key = self.vault.reserved_key(&*self.store, &reserved::refused()).await?;
        let stream = stream(&refused.id)?;
        let sealed = key.seal(&context(&stream, &refused.id), &packed)?;
        let bounds = RefusedBounds {
            bytes: self.bounds.bytes,
            count: MOST,
            known_since: before(self.bounds.known_for),
        };
        let kept = self.store.keep_refused(refused, &sealed, bounds).await?;
        Ok(kept.is_some())
    }

    /// Removes what is too old.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn expire(&self) -> Result<u64, StoreError> {
        self.store.expire_refused(before(self.bounds.keep)).await
    }
}

/// Checks a kept webhook against today's keys, scheme and freshness window, its age as of when it came; if it passes, it is
/// recorded, and removed once that is durable. An event says who did that, and why.
///
/// # Errors
/// [`RefusedError`]; then it is still kept.
pub async fn replay<'i>(
    store: &dyn Store,
    vault: &Vault,
    ingest: impl Fn(&str) -> Option<&'i Ingest>,
    id: &EventId,
    facts: &AccessFacts,
) -> Result<Replayed, RefusedError> {
    let kept = store.refused_webhook(id).await?;
    let (kept, sealed) = kept.ok_or_else(|| RefusedError::Unknown(id.clone()))?;
    let original = open(store, vault, &kept, &sealed).await?;
    let source = kept.refused.source.as_str();
    let Some(ingest) = ingest(source) else {
        return Ok(Replayed::Refused(format!("the source {source} is not configured")));
    };
    let header = |name: &str| original.headers.get(name).map(String::as_str);
    let receipt = match ingest.receive(header, original.body.expose(), kept.refused.at).await {
        Ok(receipt) => receipt,
        Err(IngestError::Refused(refusal)) => return Ok(Replayed::Refused(refusal.to_string())),
        Err(IngestError::TooLong(error)) => return Ok(Replayed::Refused(error.to_string())),
        Err(IngestError::Record(error)) => return Err(error.into()),
    };
    let facts = AccessFacts {
        last_position: Some(receipt.position),
        ..facts.clone()
    };
    // one such event for each, however often it is replayed
    let event_id = EventId::parse(&format!("refused-{id}")).map_err(StoreError::from)?;
    crate::record_access_as(store, event_id, AccessEvent::WebhookReplayed(facts)).await?;
    store.forget_refused(id).await?;
    Ok(match receipt.outcome {
        Outcome::Recorded => Replayed::Recorded(receipt.position),
        Outcome::Quarantined => Replayed::Quarantined(receipt.position),
        Outcome::Duplicate => Replayed::AlreadyThere(receipt.position),
    })
}

async fn open(store: &dyn Store, vault: &Vault, kept: &KeptRefused, sealed: &Sealed) -> Result<Original, RefusedError> {
    let key = vault.reserved_key(store, &reserved::refused()).await?;
    let id = &kept.refused.id;
    let plain = key.open(&context(&stream(id)?, id), sealed, &[])?;
    Ok(Original::decode(plain.expose(), |_| None).ok_or(SealError::Corrupt)?)
}

fn stream(id: &EventId) -> Result<StreamId, StoreError> {
    Ok(StreamId::parse(&format!("refused-{id}"))?)
}

fn context<'a>(stream: &'a StreamId, id: &'a EventId) -> Context<'a> {
    Context {
        stream,
        event_id: id,
        section: Section::Original,
        schema_version: 1,
    }
}

/// The time so long before now.
pub fn before(period: Duration) -> jiff::Timestamp {
    let now = clock::now();
    now.checked_sub(period).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}
