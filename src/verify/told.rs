//! What events tell of the tables beside the log: whose keys there are, which tokens, which references lead to what.

use std::collections::HashMap;

use aggregates::{AccessEvent, OrderEvent, StreamId, SubjectId};

use crate::store::{RawEvent, Reference, Store, StoreError};

/// What some events tell, in their order. What cannot be read tells nothing: such a row is found by its leaf.
#[derive(Default)]
pub(super) struct Told {
    /// What was done, and at which positions.
    pub(super) deeds: Vec<(u64, Deed)>,
    /// The first and the last event with something sealed, by subject.
    pub(super) sealed: HashMap<String, (u64, u64)>,
    /// Those subjects that have no data key.
    pub(super) keyless: Vec<SubjectId>,
    /// Events that references may lead to.
    pub(super) referring: Vec<Referring>,
}

/// What somebody did, as far as another table says it too.
pub(super) enum Deed {
    /// A subject was erased.
    Erased(String),
    /// A subject was put under legal hold.
    Held(String),
    /// A legal hold was lifted.
    Released(String),
    /// Checkpoints are signed with another key, this one, from here on.
    SigningKeyRotated(String),
    /// A token was made, with these scopes.
    TokenCreated(String, Vec<String>),
    /// A token was revoked.
    TokenRevoked(String),
}

impl Deed {
    /// The types of the events that tell of one.
    pub(super) const TYPES: [&str; 6] = [
        "SubjectErased",
        "SubjectHeld",
        "SubjectReleased",
        "SigningKeyRotated",
        "TokenCreated",
        "TokenRevoked",
    ];

    /// What an event tells.
    pub(super) fn of(type_name: &str, schema_version: i64, subject: &str, facts: &str) -> Option<Self> {
        match type_name {
            "SubjectErased" => return Some(Self::Erased(subject.to_owned())),
            "SubjectHeld" => return Some(Self::Held(subject.to_owned())),
            "SubjectReleased" => return Some(Self::Released(subject.to_owned())),
            "SigningKeyRotated" | "TokenCreated" | "TokenRevoked" => {}
            _ => return None,
        }
        let schema_version = u32::try_from(schema_version).ok()?;
        let event = AccessEvent::from_stored(type_name, schema_version, facts).ok()?;
        if let AccessEvent::SigningKeyRotated(facts) = event {
            return facts.key.map(Self::SigningKeyRotated);
        }
        let token = event.facts().token_id.as_ref()?.to_string();
        Some(match event {
            AccessEvent::TokenCreated(facts) => Self::TokenCreated(token, facts.scopes),
            _ => Self::TokenRevoked(token),
        })
    }
}

/// An event with what it can be found by.
pub(super) struct Referring {
    /// Its position.
    pub(super) position: u64,
    /// Its stream.
    pub(super) stream: String,
    /// What it can be found by.
    pub(super) references: Vec<Reference>,
    /// When no reference leads to it all the same.
    pub(super) needed: Needed,
}

/// When an event goes without references of its own.
pub(super) enum Needed {
    /// Never.
    Never,
    /// Where all of these led to its stream before; there is none that would have to where the stream is found by its name.
    Before(Vec<Reference>),
}

impl Told {
    /// Takes in what a row tells.
    pub(super) fn note(&mut self, position: u64, row: &RawEvent<'_>) {
        let deed = Deed::of(row.type_name, row.schema_version, row.subject, row.facts);
        self.deeds.extend(deed.map(|deed| (position, deed)));
        if row.personal.or(row.secrets).or(row.original).is_some() {
            match self.sealed.get_mut(row.subject) {
                Some((_, last)) => *last = position,
                None => drop(self.sealed.insert(row.subject.to_owned(), (position, position))),
            }
        }
        self.referring.extend(Referring::of(position, row));
    }
}

impl Told {
    /// Asks which subjects have no data key.
    pub(super) async fn find_keyless(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        // one that is no identifier is that of an altered row
        let subjects = self.sealed.keys().filter_map(|subject| SubjectId::parse(subject).ok());
        let subjects: Vec<SubjectId> = subjects.collect();
        self.keyless = store.without_key(&subjects).await?;
        Ok(())
    }
}

impl Referring {
    fn of(position: u64, row: &RawEvent<'_>) -> Option<Self> {
        let refers = row.type_name.starts_with("Subscription")
            || matches!(row.type_name, "MailboxesAssigned" | "MailboxCreated");
        if !refers {
            return None;
        }
        let schema_version = u32::try_from(row.schema_version).ok()?;
        let event = OrderEvent::from_stored(row.type_name, schema_version, row.facts).ok()?;
        let references = Reference::of_event(&event);
        if references.is_empty() {
            return None;
        }
        let subscription = match &event {
            OrderEvent::MailboxCreated(facts) => facts.subscription_id.as_ref(),
            other => other.as_subscription().map(|facts| &facts.subscription_id),
        };
        // a subscription's own stream is found by its name
        let own = subscription.filter(|id| StreamId::subscription(id).as_str() == row.stream);
        let own = own.map(Reference::subscription);
        let needed = match &event {
            OrderEvent::MailboxesAssigned(_) => Needed::Never,
            _ if row.version == 1 && own.is_none() => Needed::Never,
            _ => {
                let others = references.iter().filter(|reference| Some(**reference) != own);
                Needed::Before(others.copied().collect())
            }
        };
        Some(Self {
            position,
            stream: row.stream.to_owned(),
            references,
            needed,
        })
    }
}
