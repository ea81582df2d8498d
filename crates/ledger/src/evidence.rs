//! Evidence: the exact webhook of an event, opened again, and what its signature says today.

use std::collections::BTreeMap;

use aggregates::{AccessEvent, AccessFacts, EventId, Position, Shown, Source, SubjectId};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use memchr::memmem;
use serde::Serialize;

use crate::ingest::{Ingest, SignatureFinding};
use crate::{OpenError, Original, Reader};
use secret::Wiped;
use store::{Store, StoreError, StoredEvent};

/// Why there is no evidence.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// There is no event at the position.
    #[error("there is no event at position {0}")]
    NoEvent(Position),
    /// The event was not made of a webhook.
    #[error("the event at position {0} was not made of a webhook, so it has no original")]
    NoOriginal(Position),
    /// The event was made of a webhook, and its original was deleted.
    #[error(
        "the original of the event at position {0} is gone: it was deleted from the database (see `warmledger verify`)"
    )]
    Gone(Position),
    /// The original cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl From<StoreError> for EvidenceError {
    fn from(error: StoreError) -> Self {
        Self::Open(error.into())
    }
}

/// An opened original. It holds plaintext: no `Debug`.
pub struct Evidence {
    event: StoredEvent,
    original: Original,
    signature: SignatureFinding,
}

/// The finding about an original: everything but the body.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The event's position.
    pub position: Position,
    /// The sender's event id.
    pub event_id: EventId,
    /// The source that sent it.
    pub source: Source,
    /// The stored event type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The result of checking its signature against today's keys.
    pub signature: SignatureFinding,
    /// The headers that were kept: those of the signature, the content type, the sender's program.
    pub headers: BTreeMap<String, String>,
    /// The length of the body in bytes.
    pub size: usize,
}

impl Evidence {
    /// Opens the original of the event at a position.
    ///
    /// # Errors
    /// [`EvidenceError`]; [`OpenError::Erased`] in particular once the subject is erased.
    pub async fn open<'i>(
        store: &dyn Store,
        reader: &Reader,
        ingest: impl Fn(&str) -> Option<&'i Ingest>,
        position: Position,
    ) -> Result<Self, EvidenceError> {
        let event = store.events_at(&[position]).await?.pop();
        let event = event.ok_or(EvidenceError::NoEvent(position))?;
        if event.sealed.original.is_none() {
            let of_a_webhook = event.to_recorded()?.event.as_order().is_some();
            return Err(if of_a_webhook {
                EvidenceError::Gone(position)
            } else {
                EvidenceError::NoOriginal(position)
            });
        }
        let original = reader.original(&event).await?;
        let signature =
            ingest(event.source.as_str()).map_or(SignatureFinding::UnknownSource, |ingest| ingest.examine(&original));
        Ok(Self {
            event,
            original,
            signature,
        })
    }

    /// The subject of the event.
    pub fn subject(&self) -> &SubjectId {
        &self.event.subject
    }

    /// All but the body.
    pub fn finding(&self) -> Finding {
        Finding {
            position: self.event.position,
            event_id: self.event.event_id.clone(),
            source: self.event.source.clone(),
            type_name: self.event.type_name.clone(),
            recorded_at: self.event.recorded_at,
            signature: self.signature,
            headers: self.original.headers.clone(),
            size: self.original.body.expose().len(),
        }
    }

    /// How many mailboxes the body names, counted by field names so that an unreadable body counts too. At least one.
    pub fn mailboxes(&self) -> usize {
        let told = |field: &str| memmem::find_iter(self.body(), field).count();
        let most = ["\"mailboxId\"", "\"email\"", "\"password\""]
            .into_iter()
            .map(told)
            .max();
        most.unwrap_or_default().max(1)
    }

    /// The exact bytes. The caller is responsible for where they go.
    pub fn body(&self) -> &[u8] {
        self.original.body.expose()
    }

    /// The exact bytes in base64, so that they survive any transport. The caller is responsible for where they go.
    pub fn body_base64(&self) -> Wiped<String> {
        Wiped::new(BASE64_STANDARD.encode(self.original.body.expose()))
    }
}

/// The access event for opening the original at a position: who, why, and whether its body was handed out.
pub fn opened(
    position: Position,
    subject: &SubjectId,
    reason: String,
    body_is_shown: bool,
    facts: AccessFacts,
) -> AccessEvent {
    AccessEvent::EvidenceOpened(AccessFacts {
        credentials: if body_is_shown {
            vec![Shown::Original]
        } else {
            Vec::new()
        },
        first_position: Some(position),
        last_position: Some(position),
        reason: Some(reason),
        subject: Some(subject.clone()),
        ..facts
    })
}
