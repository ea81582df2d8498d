//! The content of the side tables that the events imply: keys, tokens and references.

use std::collections::HashMap;
use std::iter;

use aggregates::{AccessEvent, AccessFacts, StreamId, SubjectId, SubscriptionId};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use store::{RawEvent, Reference, Store, StoreError};

/// What some events imply, in their order. An unreadable row implies nothing: it is reported by its leaf.
#[derive(Default)]
pub(super) struct ImpliedState {
    /// What they imply, and at which positions.
    pub(super) implied: Vec<(u64, Implied)>,
    /// The first and the last event with something sealed, by subject.
    pub(super) sealed: HashMap<String, (u64, u64)>,
    /// The subjects among those without a data key.
    pub(super) keyless: Vec<SubjectId>,
    /// Events that references may lead to.
    pub(super) referring: Vec<Referring>,
}

/// An event's effect on a side table.
pub(super) enum Implied {
    /// A subject was erased.
    Erased(String),
    /// A subject was put under legal hold.
    Held(String),
    /// A legal hold was lifted.
    Released(String),
    /// Data keys are wrapped by this master key from here on.
    KeysRotated(String),
    /// A master key was retired.
    MasterKeyRetired(String),
    /// Checkpoints are signed with this key from here on.
    SigningKeyRotated(String),
    /// A token was created: its id, and the event's facts.
    TokenCreated(String, Box<AccessFacts>),
    /// A token was revoked, and its row, if it existed, got this revocation time; older events have no time.
    TokenRevoked(String, Option<Timestamp>),
}

impl Implied {
    /// The types of events with such an effect.
    pub(super) const TYPES: [&str; 8] = [
        "SubjectErased",
        "SubjectHeld",
        "SubjectReleased",
        "KeysRotated",
        "MasterKeyRetired",
        "SigningKeyRotated",
        "TokenCreated",
        "TokenRevoked",
    ];

    /// An event's effect.
    pub(super) fn of(type_name: &str, schema_version: i64, subject: &str, facts: &str) -> Option<Self> {
        match type_name {
            "SubjectErased" => return Some(Self::Erased(subject.to_owned())),
            "SubjectHeld" => return Some(Self::Held(subject.to_owned())),
            "SubjectReleased" => return Some(Self::Released(subject.to_owned())),
            "KeysRotated" | "MasterKeyRetired" | "SigningKeyRotated" | "TokenCreated" | "TokenRevoked" => {}
            _ => return None,
        }
        let schema_version = u32::try_from(schema_version).ok()?;
        let event = AccessEvent::from_stored(type_name, schema_version, facts).ok()?;
        match event {
            AccessEvent::KeysRotated(facts) => facts.key.map(Self::KeysRotated),
            AccessEvent::MasterKeyRetired(facts) => facts.key.map(Self::MasterKeyRetired),
            AccessEvent::SigningKeyRotated(facts) => facts.key.map(Self::SigningKeyRotated),
            AccessEvent::TokenCreated(facts) => Some(Self::TokenCreated(
                facts.token_id.as_ref()?.to_string(),
                Box::new(facts),
            )),
            AccessEvent::TokenRevoked(facts) => Some(Self::TokenRevoked(facts.token_id?.to_string(), facts.revoked_at)),
            _ => None,
        }
    }
}

/// An event with the references that it should have.
pub(super) struct Referring {
    /// Its position.
    pub(super) position: u64,
    /// Its stream.
    pub(super) stream: String,
    /// The references that it should have.
    pub(super) references: Vec<Reference>,
    /// When it may have none of them.
    pub(super) needed: Needed,
}

/// When an event may lack its references.
pub(super) enum Needed {
    /// Never: it must have them.
    Optional,
    /// If all of these led to its stream before; the list is empty if the stream is found by its name.
    UnlessKnown(Vec<Reference>),
}

impl ImpliedState {
    /// Takes in a row.
    pub(super) fn note(&mut self, position: u64, row: &RawEvent<'_>) {
        let implied = Implied::of(row.type_name, row.schema_version, row.subject, row.facts);
        self.implied.extend(implied.map(|implied| (position, implied)));
        if row.personal.or(row.secrets).or(row.original).is_some() {
            match self.sealed.get_mut(row.subject) {
                Some((_, last)) => *last = position,
                None => drop(self.sealed.insert(row.subject.to_owned(), (position, position))),
            }
        }
        self.referring.extend(Referring::of(position, row));
    }
}

impl ImpliedState {
    /// Looks up which subjects have no data key; if their table is missing, that is reported at the end.
    pub(super) async fn find_keyless(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        // a subject that is not an identifier comes from an altered row
        let subjects = self.sealed.keys().filter_map(|subject| SubjectId::parse(subject).ok());
        let subjects: Vec<SubjectId> = subjects.collect();
        self.keyless = match store.without_key(&subjects).await {
            Err(error) if error.is_missing_table() => Vec::new(),
            keyless => keyless?,
        };
        Ok(())
    }
}

/// The fields of facts that references are made of. The others are ignored: parsing a whole event takes several times
/// as long, and its leaf is checked separately.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Named {
    subscription_id: Option<SubscriptionId>,
    /// As it was stored: earlier versions stored names in Unicode, and their references are of that.
    domain: Option<String>,
    domains: Vec<Named>,
    order_id: Option<IgnoredAny>,
}

impl Named {
    /// The references of every domain and subscription, as in [`Reference::of_event`] for assignments and mailboxes.
    fn references(&self) -> Vec<Reference> {
        let mut references = Vec::new();
        for named in iter::once(self).chain(&self.domains) {
            references.extend(named.subscription_id.as_ref().map(Reference::subscription));
            references.extend(named.domain.as_deref().map(Reference::domain_as_stored));
        }
        references.sort_unstable();
        references.dedup();
        references
    }
}

impl Referring {
    fn of(position: u64, row: &RawEvent<'_>) -> Option<Self> {
        let assigned = row.type_name == "MailboxesAssigned";
        let of_subscription = row.type_name.starts_with("Subscription");
        let of_domain = row.type_name.starts_with("Domain") || row.type_name == "DnsRecordUpdated";
        let opens = matches!(row.type_name, "MailboxCreated" | "MailboxOrderAccepted");
        if !(assigned || of_subscription || of_domain || opens) {
            return None;
        }
        let mut named: Named = serde_json::from_str(row.facts).ok()?;
        if of_subscription || (of_domain && named.order_id.is_none()) {
            // it adds no domain to its stream: its order did
            named.domain = None;
        }
        let references = named.references();
        if references.is_empty() {
            return None;
        }
        // a subscription's own stream is found by its name
        let own = named.subscription_id.as_ref();
        let own = own.filter(|id| StreamId::subscription(id).as_str() == row.stream);
        let own = own.map(Reference::subscription);
        let needed = if assigned || (row.version == 1 && own.is_none()) {
            Needed::Optional
        } else {
            let others = references.iter().filter(|reference| Some(**reference) != own);
            Needed::UnlessKnown(others.copied().collect())
        };
        Some(Self {
            position,
            stream: row.stream.to_owned(),
            references,
            needed,
        })
    }
}

#[cfg(test)]
mod tests {
    use aggregates::OrderEvent;

    use super::*;

    #[test]
    fn facts_refer_to_what_their_event_refers_to() {
        let domains = r#"[{"domain":"b.com","mailboxes":[{"mailboxId":"M1"},{}],"subscriptionId":"S1"},
                          {"domain":"a.com","mailboxes":[]}]"#;
        let order = format!(r#"{{"domains":{domains},"orderId":"O1","userId":"U1"}}"#);
        let subscription = r#"{"domain":"a.com","orderId":"O1","subscriptionId":"S1"}"#;
        let cases = [
            ("MailboxesAssigned", 2, order.as_str(), 3),
            ("MailboxesAssigned", 1, order.as_str(), 3),
            ("SubscriptionRenewed", 1, subscription, 1),
            (
                "MailboxCreated",
                1,
                r#"{"domain":"a.com","mailboxId":"M1","subscriptionId":"S1"}"#,
                2,
            ),
            ("MailboxCreated", 1, r#"{"mailboxId":"M1"}"#, 0),
            (
                "MailboxOrderAccepted",
                1,
                r#"{"domain":"a.com","orderId":"O1","subscriptionId":"S1"}"#,
                2,
            ),
            ("MailboxOrderFailed", 1, r#"{"domain":"a.com","orderId":"O1"}"#, 0),
            ("DomainRegistered", 1, r#"{"domain":"a.com","orderId":"O1"}"#, 1),
            ("DomainRenewed", 1, r#"{"domain":"a.com"}"#, 0),
            ("DnsRecordUpdated", 1, r#"{"domain":"a.com"}"#, 0),
            (
                "MailboxExported",
                1,
                r#"{"domain":"a.com","mailboxId":"M1","orderId":"O1"}"#,
                0,
            ),
        ];
        for (type_name, schema_version, facts, count) in cases {
            let event = OrderEvent::from_stored(type_name, schema_version, facts).unwrap();
            let row = RawEvent {
                position: 1,
                stream: "order-O1",
                version: 1,
                source: "provider",
                event_id: "E1",
                type_name,
                schema_version: schema_version.into(),
                recorded_at: "2026-01-02T03:04:05.123456Z",
                subject: "user-U1",
                facts,
                personal: None,
                secrets: None,
                original: None,
                leaf_hash: &[],
            };
            let referring = Referring::of(1, &row).map(|referring| referring.references);
            let mut expected = Reference::of_event(&event);
            expected.sort_unstable();
            assert_eq!(expected.len(), count, "{type_name} of {facts}");
            assert_eq!(referring.unwrap_or_default(), expected, "{type_name} of {facts}");
        }
    }
}
