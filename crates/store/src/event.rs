//! An event as it is written and as it is read back.

use aggregates::{Event, EventId, OrderEvent, Position, Recorded, Source, StreamId, SubjectId};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{Head, StoreError};
use sealing::{Sealed, Section};
use tlog::Hash;

/// The sealed parts of an event. Absent where the webhook had nothing of the kind.
#[derive(Clone, Default)]
pub struct SealedSections {
    /// E-mail addresses, names, pictures.
    pub personal: Option<Sealed>,
    /// Passwords, app passwords, TOTP seeds.
    pub secrets: Option<Sealed>,
    /// The exact body and the headers that sign it.
    pub original: Option<Sealed>,
}

impl SealedSections {
    /// One section.
    pub fn get(&self, section: Section) -> Option<&Sealed> {
        match section {
            Section::Personal => self.personal.as_ref(),
            Section::Secrets => self.secrets.as_ref(),
            Section::Original => self.original.as_ref(),
        }
    }
}

/// What an event can be found by besides its stream: the first eight bytes of SHA-256 over kind and id.
///
/// A hash keeps the index to a third of the text's size. Two ids can share one (1 in 2^64), so whoever follows a
/// reference checks that the stream really knows the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference(pub i64);

impl Reference {
    /// The reference of a subscription.
    pub fn subscription(id: &aggregates::SubscriptionId) -> Self {
        Self::of("subscription:", id.as_str())
    }

    /// The reference of a domain.
    pub fn domain(name: &aggregates::Domain) -> Self {
        Self::of("domain:", name.as_str())
    }

    fn of(kind: &str, id: &str) -> Self {
        let digest = Sha256::new().chain_update(kind).chain_update(id).finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        Self(i64::from_be_bytes(first))
    }

    /// Those of an event's references that lead a webhook to its stream: not a domain that the event names and its order was not
    /// assigned.
    pub fn leading(event: &OrderEvent) -> Vec<Self> {
        match event {
            OrderEvent::MailboxCreated(facts) if facts.order_id.is_none() => {
                facts.subscription_id.iter().map(Self::subscription).collect()
            }
            event => Self::of_event(event),
        }
    }

    /// The references by which an event is to be found: the subscriptions and domains that it brings into its stream.
    pub fn of_event(event: &OrderEvent) -> Vec<Self> {
        if let Some(facts) = event.as_subscription() {
            return vec![Self::subscription(&facts.subscription_id)];
        }
        if let OrderEvent::MailboxCreated(facts) = event {
            let subscription = facts.subscription_id.as_ref().map(Self::subscription);
            return subscription
                .into_iter()
                .chain(facts.domain.as_ref().map(Self::domain))
                .collect();
        }
        let OrderEvent::MailboxesAssigned(facts) = event else {
            return Vec::new();
        };
        let mut references: Vec<Self> = facts
            .domains
            .iter()
            .flat_map(|assigned| {
                let subscription = assigned.subscription_id.as_ref().map(Self::subscription);
                subscription.into_iter().chain([Self::domain(&assigned.domain)])
            })
            .collect();
        references.sort_unstable();
        references.dedup();
        references
    }
}

/// An event that is about to be appended. Its position and time come with the [`super::Batch`].
pub struct NewEvent {
    /// The stream.
    pub stream: StreamId,
    /// Its place in the stream, from 1.
    pub version: u32,
    /// Who sent it.
    pub source: Source,
    /// The sender's id of it.
    pub event_id: EventId,
    /// The stored type string.
    pub type_name: &'static str,
    /// The schema version of the facts.
    pub schema_version: u32,
    /// Whose data key seals it.
    pub subject: SubjectId,
    /// Canonical JSON.
    pub facts: String,
    /// The sealed parts.
    pub sealed: SealedSections,
    /// The RFC 6962 hash of its Merkle leaf, see [`ledger::leaf`].
    pub leaf_hash: [u8; 32],
    /// What it can be found by.
    pub references: Vec<Reference>,
}

impl NewEvent {
    /// About how many bytes it is on its way to a store.
    pub(super) fn size(&self) -> usize {
        let texts = [
            self.stream.as_str(),
            self.source.as_str(),
            self.event_id.as_str(),
            self.subject.as_str(),
        ];
        let texts: usize = texts.iter().map(|text| text.len()).sum();
        let sealed = Section::ALL.iter().filter_map(|section| self.sealed.get(*section));
        let sealed: usize = sealed.map(|sealed| sealed.as_bytes().len()).sum();
        // a length before each value; references are numbers
        texts + self.facts.len() + sealed + 160 + 16 * self.references.len()
    }
}

/// An event read back. The sealed sections are empty where the query did not ask for them.
#[derive(Clone)]
pub struct StoredEvent {
    /// Its place in the ledger.
    pub position: Position,
    /// The stream.
    pub stream: StreamId,
    /// Its place in the stream.
    pub version: u32,
    /// Who sent it.
    pub source: Source,
    /// The sender's id of it.
    pub event_id: EventId,
    /// The stored type string.
    pub type_name: String,
    /// The schema version of the facts.
    pub schema_version: u32,
    /// When it was appended.
    pub recorded_at: Timestamp,
    /// Whose data key seals it.
    pub subject: SubjectId,
    /// Canonical JSON, byte for byte as it was written.
    pub facts: String,
    /// The sealed parts, if asked for.
    pub sealed: SealedSections,
    /// The hash of its Merkle leaf, if that or the sealed parts were asked for.
    pub leaf_hash: Option<[u8; 32]>,
}

/// What a stream had come to at one of its versions, in a form that only the ledger reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSnapshot {
    /// The stream.
    pub stream: StreamId,
    /// The version of the last event that is in it.
    pub version: u32,
    /// What it had come to.
    pub state: Vec<u8>,
}

impl StoredEvent {
    /// The end of the log when the event was its last one.
    pub fn head(&self) -> Head {
        Head {
            position: self.position,
            recorded_at: self.recorded_at,
        }
    }

    /// The hash of its leaf, which was asked for.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if there is none.
    pub fn leaf(&self) -> Result<Hash, StoreError> {
        let position = self.position;
        self.leaf_hash
            .ok_or_else(|| StoreError::Corrupt(format!("the event at position {position} has no leaf hash")))
    }

    /// The event with its facts parsed, upcast where they are old.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if type, schema version or facts are not what this version knows.
    pub fn to_recorded(&self) -> Result<Recorded, StoreError> {
        Ok(Recorded {
            position: self.position,
            stream: self.stream.clone(),
            version: self.version,
            source: self.source.clone(),
            event_id: self.event_id.clone(),
            recorded_at: self.recorded_at,
            subject: self.subject.clone(),
            event: self.event()?,
        })
    }

    /// As [`Self::to_recorded`], for whoever has no more use for the stored event.
    ///
    /// # Errors
    /// As [`Self::to_recorded`].
    pub fn into_recorded(self) -> Result<Recorded, StoreError> {
        let event = self.event()?;
        Ok(Recorded {
            position: self.position,
            stream: self.stream,
            version: self.version,
            source: self.source,
            event_id: self.event_id,
            recorded_at: self.recorded_at,
            subject: self.subject,
            event,
        })
    }

    fn event(&self) -> Result<Event, StoreError> {
        Event::from_stored(&self.type_name, self.schema_version, &self.facts)
            .map_err(|error| StoreError::Corrupt(format!("event at position {}: {error}", self.position)))
    }
}
