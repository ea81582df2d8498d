//! An event as written and as read back.

use aggregates::{Event, EventId, OrderEvent, Position, Recorded, Source, StreamId, SubjectId};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{Head, StoreError};
use sealing::{EmailHash, Sealed, Section};
use tlog::Hash;

/// The sealed sections of an event; none for a section that the webhook lacked.
#[derive(Clone, Default)]
pub struct SealedSections {
    /// E-mail addresses, names, pictures.
    pub personal: Option<Sealed>,
    /// Passwords, app passwords, TOTP seeds.
    pub secrets: Option<Sealed>,
    /// The exact body and its signature headers.
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

/// A key to find an event by besides its stream: the first eight bytes of SHA-256 over kind and id.
///
/// A hash keeps the index to a third of the text's size. Two ids can share one (1 in 2^64), so a caller that follows a
/// reference must check that the stream really has the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference(pub i64);

impl Reference {
    /// The reference of a subscription.
    pub fn subscription(id: &aggregates::SubscriptionId) -> Self {
        Self::of("subscription:", id.as_str())
    }

    /// The reference of a domain.
    pub fn domain(name: &aggregates::Domain) -> Self {
        Self::domain_as_stored(name.as_str())
    }

    /// The reference of a domain whose name was stored so: earlier versions stored names in Unicode.
    pub fn domain_as_stored(name: &str) -> Self {
        Self::of("domain:", name)
    }

    /// The references that events of a domain may have: of its name, and of the Unicode form that earlier versions
    /// stored.
    pub fn domain_spellings(name: &aggregates::Domain) -> impl Iterator<Item = Self> {
        let unicode = name.to_unicode();
        let earlier = (*unicode != *name.as_str()).then(|| Self::domain_as_stored(&unicode));
        [Self::domain(name)].into_iter().chain(earlier)
    }

    fn of(kind: &str, id: &str) -> Self {
        let digest = Sha256::new().chain_update(kind).chain_update(id).finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        Self(i64::from_be_bytes(first))
    }

    /// The references of an event that lead a webhook to its stream. Left out: a domain that the event names but its
    /// order was not assigned.
    pub fn leading(event: &OrderEvent) -> Vec<Self> {
        if event.names_domain().is_some() {
            return Vec::new();
        }
        match event.opens() {
            Some((subscription, _)) if event.order_id().is_none() => {
                subscription.into_iter().map(Self::subscription).collect()
            }
            _ => Self::of_event(event),
        }
    }

    /// The references to store for an event: the subscriptions and domains that it adds to its stream.
    pub fn of_event(event: &OrderEvent) -> Vec<Self> {
        if let Some(facts) = event.as_subscription() {
            return vec![Self::subscription(&facts.subscription_id)];
        }
        if let Some((subscription, domain)) = event.opens() {
            let subscription = subscription.map(Self::subscription);
            return subscription.into_iter().chain(domain.map(Self::domain)).collect();
        }
        if let Some(domain) = event.names_domain() {
            // without an order it is in a stream that has the reference or is found by the domain's name
            return event.order_id().map(|_| Self::domain(domain)).into_iter().collect();
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

/// An event to be appended. Its position and time are in the [`super::Batch`].
pub struct NewEvent {
    /// The stream.
    pub stream: StreamId,
    /// Its version in the stream, from 1.
    pub version: u32,
    /// The source that sent it.
    pub source: Source,
    /// The sender's event id.
    pub event_id: EventId,
    /// The stored type string.
    pub type_name: &'static str,
    /// The schema version of the facts.
    pub schema_version: u32,
    /// The subject whose data key seals it.
    pub subject: SubjectId,
    /// Canonical JSON.
    pub facts: String,
    /// The sealed sections.
    pub sealed: SealedSections,
    /// The RFC 6962 hash of its Merkle leaf, see `ledger::leaf`.
    pub leaf_hash: [u8; 32],
    /// The keys to find it by.
    pub references: Vec<Reference>,
    /// The hashes of the e-mail addresses in its personal section, each once.
    pub emails: Vec<EmailHash>,
}

impl NewEvent {
    /// About how many bytes it takes in a message to the store.
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
        texts + self.facts.len() + sealed + 160 + 16 * (self.references.len() + self.emails.len())
    }
}

/// An event read back. The sealed sections are empty if the query left them out.
#[derive(Clone)]
pub struct StoredEvent {
    /// Its position in the log.
    pub position: Position,
    /// The stream.
    pub stream: StreamId,
    /// Its version in the stream.
    pub version: u32,
    /// The source that sent it.
    pub source: Source,
    /// The sender's event id.
    pub event_id: EventId,
    /// The stored type string.
    pub type_name: String,
    /// The schema version of the facts.
    pub schema_version: u32,
    /// When it was appended.
    pub recorded_at: Timestamp,
    /// The subject whose data key seals it.
    pub subject: SubjectId,
    /// Canonical JSON, byte for byte as written.
    pub facts: String,
    /// The sealed sections, if the query asked for them.
    pub sealed: SealedSections,
    /// The hash of its Merkle leaf, if the query asked for it or for the sealed sections.
    pub leaf_hash: Option<[u8; 32]>,
}

impl StoredEvent {
    /// The head of the log when the event was its last one.
    pub fn head(&self) -> Head {
        Head {
            position: self.position,
            recorded_at: self.recorded_at,
        }
    }

    /// The hash of its leaf, for a query that asked for it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if there is none.
    pub fn leaf(&self) -> Result<Hash, StoreError> {
        let position = self.position;
        self.leaf_hash
            .ok_or_else(|| StoreError::Corrupt(format!("the event at position {position} has no leaf hash")))
    }

    /// The event with its facts parsed, and upcast if they are old.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if this version does not know the type, schema version or form of the facts.
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

    /// As [`Self::to_recorded`], consuming the stored event.
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
