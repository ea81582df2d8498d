//! For tests of projections: `given([events…]).then_columns(key, […])`, and events in few words.
//!
//! ```
//! use projections::orders::Orders;
//! use projections::testing::{assigned, failed, given};
//!
//! given::<Orders>([
//!     assigned("E1", "O1").domain("a.com", "S1", &["M1", "M2"]),
//!     failed("E2", "O1").fails("b.com", "Insufficient wallet balance"),
//! ])
//! .then_columns("O1", &[("status", "partial".into()), ("mailbox_count", 2_i64.into())]);
//! ```
//!
//! Everything here panics on wrong input, which is right for tests.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use aggregates::{
    AccessEvent, AssignedDomain, AssignedMailbox, AssignmentFailed, AssignmentFailure, CredentialKind,
    DnsRecordUpdated, Domain, DomainFacts, EventId, MailboxCreated, MailboxFacts, MailboxId, MailboxOrderFacts,
    MailboxUpdated, MailboxesAssigned, OrderEvent, OrderId, PersonalField, Position, QuarantineReason, Recorded,
    ServiceProvider, Source, StreamId, SubjectId, SubscriptionFacts, SubscriptionId, UserId, WebhookQuarantined,
    WebhookUnrecognised,
};
use jiff::Timestamp;

use crate::{Projection, Value, Verdict};

/// The sender of all events that this module makes.
pub const SOURCE: &str = "coldmailreseller";

/// The default time of recording.
pub const RECORDED_AT: &str = "2025-10-27T20:00:00Z";

/// Folds the events, recorded in this order at the positions 1, 2, 3, …
pub fn given<P: Projection>(events: impl IntoIterator<Item = impl Recordable>) -> Given<P> {
    let mut rows = BTreeMap::new();
    for (position, delivery) in (1..).zip(events) {
        let event = delivery.at(Position(position));
        for key in P::keys(&event) {
            let mut view: P::View = rows.remove(&key).unwrap_or_default();
            if P::apply(&mut view, &key, &event) == Verdict::Keep {
                rows.insert(key, view);
            }
        }
    }
    Given { rows }
}

/// A recordable event: a [`Delivery`], or the result of [`accessed`].
pub trait Recordable {
    /// The event, recorded at the position.
    fn at(self, position: Position) -> Recorded;
}

impl Recordable for Delivery {
    fn at(self, position: Position) -> Recorded {
        Delivery::at(self, position)
    }
}

/// An access event, about to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Accessed {
    event_id: EventId,
    event: AccessEvent,
}

/// An access event, recorded at [`RECORDED_AT`].
pub fn accessed(event_id: &str, event: AccessEvent) -> Accessed {
    Accessed {
        event_id: EventId::parse(event_id).unwrap(),
        event,
    }
}

impl Recordable for Accessed {
    fn at(self, position: Position) -> Recorded {
        let stream = AccessEvent::stream(&self.event_id);
        Recorded {
            position,
            version: 1,
            source: Source::own(),
            recorded_at: time(RECORDED_AT),
            subject: self.event.subject(&stream),
            event: self.event.into(),
            event_id: self.event_id,
            stream,
        }
    }
}

/// The rows that the given events make.
pub struct Given<P: Projection> {
    rows: BTreeMap<String, P::View>,
}

impl<P: Projection> Given<P> {
    /// The view of a row that must exist.
    pub fn view(&self, key: &str) -> &P::View {
        let keys: Vec<_> = self.rows.keys().collect();
        self.rows
            .get(key)
            .unwrap_or_else(|| panic!("{} has no row {key:?}, only {keys:?}", P::NAME))
    }

    /// Asserts the row's view.
    pub fn then(self, key: &str, expected: &P::View) -> Self
    where
        P::View: Debug,
    {
        assert_eq!(self.view(key), expected, "{} {key:?}", P::NAME);
        self
    }

    /// Asserts the values of these columns of the row.
    pub fn then_columns(self, key: &str, expected: &[(&str, Value)]) -> Self {
        let row = P::columns(self.view(key), key);
        assert_eq!(row.len(), P::COLUMNS.len(), "{} has another number of columns", P::NAME);
        for (column, value) in P::COLUMNS.iter().zip(&row) {
            assert!(column.accepts(value), "{value:?} does not fit {column:?}");
        }
        for (name, expected) in expected {
            let index = P::COLUMNS.iter().position(|column| column.name == *name);
            let index = index.unwrap_or_else(|| panic!("{} has no column {name:?}", P::NAME));
            assert_eq!(&row[index], expected, "{} {key:?}, column {name}", P::NAME);
        }
        self
    }

    /// Asserts the number of rows.
    pub fn then_row_count(self, expected: usize) -> Self {
        let keys: Vec<_> = self.rows.keys().collect();
        assert_eq!(keys.len(), expected, "{} has the rows {keys:?}", P::NAME);
        self
    }

    /// Asserts that there are no rows.
    pub fn then_no_rows(self) {
        self.then_row_count(0);
    }
}

/// A webhook, about to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The sender's event id.
    pub event_id: String,
    /// Its content.
    pub event: OrderEvent,
    /// When it is recorded.
    pub recorded_at: Timestamp,
}

/// An assignment to an order; see [`Delivery::domain`].
pub fn assigned(event_id: &str, order: &str) -> Delivery {
    Delivery::of(
        event_id,
        OrderEvent::MailboxesAssigned(MailboxesAssigned {
            may_be_blank: false,
            domains: Arc::default(),
            order_id: OrderId::parse(order).unwrap(),
            quarantined_parts: Vec::new(),
            sent_at: None,
            service_provider: None,
            unreadable: Vec::new(),
            unsigned: false,
            user_id: None,
        }),
    )
}

/// A failure of an order; see [`Delivery::fails`].
pub fn failed(event_id: &str, order: &str) -> Delivery {
    Delivery::of(
        event_id,
        OrderEvent::AssignmentFailed(AssignmentFailed {
            failures: Vec::new(),
            order_id: OrderId::parse(order).unwrap(),
            quarantined_parts: Vec::new(),
            sent_at: None,
            service_provider: None,
            unreadable: Vec::new(),
            unsigned: false,
            user_id: None,
        }),
    )
}

/// An event of a subscription, e.g. `subscription("E1", OrderEvent::SubscriptionRenewed, "S1")`.
pub fn subscription(event_id: &str, kind: fn(SubscriptionFacts) -> OrderEvent, id: &str) -> Delivery {
    Delivery::of(
        event_id,
        kind(SubscriptionFacts {
            auto_renew: None,
            domain: None,
            order_id: None,
            period_end: None,
            period_start: None,
            quantity: None,
            reason: None,
            sent_at: None,
            service_provider: None,
            subscription_id: SubscriptionId::parse(id).unwrap(),
            subscription_status: None,
            unreadable: Vec::new(),
            unsigned: false,
            user_id: None,
        }),
    )
}

/// A mailbox created outside of an assignment, with all credentials and personal fields.
pub fn created(event_id: &str, mailbox: &str, order: &str, domain: &str, subscription: &str) -> Delivery {
    Delivery::of(
        event_id,
        OrderEvent::MailboxCreated(MailboxCreated {
            may_be_blank: false,
            credentials: vec![
                CredentialKind::AppPassword,
                CredentialKind::AuthenticatorSecret,
                CredentialKind::Password,
            ],
            domain: Domain::normalise(domain).ok(),
            expiry_date: None,
            is_admin: Some(false),
            mailbox_id: MailboxId::parse(mailbox).unwrap(),
            order_id: OrderId::parse(order).ok(),
            personal: vec![
                PersonalField::Email,
                PersonalField::FirstName,
                PersonalField::LastName,
                PersonalField::ProfilePicture,
            ],
            sent_at: None,
            service_provider: None,
            subscription_id: SubscriptionId::parse(subscription).ok(),
            unreadable: Vec::new(),
            unsigned: false,
            user_id: None,
            warming_up_from: None,
        }),
    )
}

/// A mailbox with changes of these parts.
pub fn updated(event_id: &str, mailbox: &str, credentials: &[CredentialKind], personal: &[PersonalField]) -> Delivery {
    Delivery::of(
        event_id,
        OrderEvent::MailboxUpdated(MailboxUpdated {
            may_be_blank: false,
            credentials: credentials.to_vec(),
            expiry_date: None,
            is_admin: None,
            mailbox_id: MailboxId::parse(mailbox).unwrap(),
            personal: personal.to_vec(),
            sent_at: None,
            unreadable: Vec::new(),
            unsigned: false,
            user_id: None,
        }),
    )
}

/// An event of a domain's registration that ends then.
pub fn registration(
    event_id: &str,
    kind: fn(DomainFacts) -> OrderEvent,
    domain: &str,
    expiry_date: Option<&str>,
) -> Delivery {
    let facts = DomainFacts {
        auto_renew: None,
        creation_time: None,
        domain: Domain::normalise(domain).unwrap(),
        domain_id: None,
        expiry_date: expiry_date.map(time),
        order_id: None,
        price: None,
        reason: None,
        sent_at: None,
        unreadable: Vec::new(),
        unsigned: false,
        user_id: None,
    };
    Delivery::of(event_id, kind(facts))
}

/// A change of one of a domain's DNS records.
pub fn dns_updated(event_id: &str, domain: &str) -> Delivery {
    let facts = DnsRecordUpdated {
        action: Some("UPDATED".to_owned()),
        domain: Domain::normalise(domain).unwrap(),
        domain_id: None,
        order_id: None,
        record_type: Some("CNAME".to_owned()),
        sent_at: None,
        unreadable: Vec::new(),
        unsigned: false,
        user_id: None,
    };
    Delivery::of(event_id, OrderEvent::DnsRecordUpdated(facts))
}

/// An ordinary order of mailboxes.
pub fn mailbox_order(
    event_id: &str,
    kind: fn(MailboxOrderFacts) -> OrderEvent,
    order: &str,
    domain: &str,
    subscription: &str,
) -> Delivery {
    let facts = MailboxOrderFacts {
        creation_time: None,
        domain: Domain::normalise(domain).ok(),
        domain_id: None,
        expiry_date: None,
        order_id: OrderId::parse(order).unwrap(),
        price: None,
        quantity: None,
        reason: None,
        sent_at: None,
        service_provider: None,
        subscription_id: SubscriptionId::parse(subscription).ok(),
        unreadable: Vec::new(),
        unsigned: false,
        user_id: None,
    };
    Delivery::of(event_id, kind(facts))
}

/// Something that happened to a mailbox.
pub fn happened(event_id: &str, kind: fn(MailboxFacts) -> OrderEvent, mailbox: &str) -> Delivery {
    let facts = MailboxFacts {
        domain: None,
        mailbox_id: MailboxId::parse(mailbox).unwrap(),
        order_id: None,
        sent_at: None,
        subscription_id: None,
        unreadable: Vec::new(),
        unsigned: false,
        user_id: None,
        warming_up_from: None,
    };
    Delivery::of(event_id, kind(facts))
}

/// A webhook of an unknown kind, e.g. `unrecognised("E1", "mailbox.moved")`.
pub fn unrecognised(event_id: &str, name: &str) -> Delivery {
    Delivery::of(
        event_id,
        OrderEvent::WebhookUnrecognised(WebhookUnrecognised {
            domain: None,
            mailbox_id: None,
            name: name.to_owned(),
            order_id: None,
            sent_at: None,
            subscription_id: None,
            unsigned: false,
            user_id: None,
        }),
    )
}

/// A webhook that could not be used.
pub fn quarantined(event_id: &str) -> Delivery {
    Delivery::of(
        event_id,
        OrderEvent::WebhookQuarantined(WebhookQuarantined {
            conflicts_with: None,
            detail: "data.orderId is missing".to_owned(),
            event_id: None,
            name: None,
            reason: QuarantineReason::InvalidPayload,
            sent_at: None,
            size: 2,
            unsigned: false,
            user_id: None,
        }),
    )
}

/// The instant of an RFC 3339 text.
pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl Delivery {
    fn of(event_id: &str, event: OrderEvent) -> Self {
        Self {
            event_id: event_id.to_owned(),
            event,
            recorded_at: time(RECORDED_AT),
        }
    }

    /// Adds a domain with mailboxes of these ids, all with all credentials, to an assignment. An empty id means none.
    pub fn domain(mut self, domain: &str, subscription: &str, mailboxes: &[&str]) -> Self {
        let mailboxes = mailboxes.iter().map(|id| AssignedMailbox {
            personal: PersonalField::all(),
            credentials: vec![
                CredentialKind::AppPassword,
                CredentialKind::AuthenticatorSecret,
                CredentialKind::Password,
            ],
            expiry_date: None,
            is_admin: Some(false),
            mailbox_id: MailboxId::parse(id).ok(),
            warming_up_from: None,
        });
        Arc::make_mut(&mut self.assignment().domains).push(AssignedDomain {
            domain: Domain::normalise(domain).unwrap(),
            mailboxes: mailboxes.collect(),
            subscription_id: SubscriptionId::parse(subscription).ok(),
        });
        self
    }

    /// Adds a failed domain to a failure.
    pub fn fails(self, domain: &str, reason: &str) -> Self {
        self.failure(Some(Domain::normalise(domain).unwrap()), reason)
    }

    /// Adds the failure of the whole order to a failure.
    pub fn fails_whole(self, reason: &str) -> Self {
        self.failure(None, reason)
    }

    /// For an assignment: all mailboxes so far expire then. For a subscription's event: its period ends then.
    pub fn until(mut self, end: &str) -> Self {
        match &mut self.event {
            OrderEvent::MailboxesAssigned(facts) => {
                let mailboxes = Arc::make_mut(&mut facts.domains)
                    .iter_mut()
                    .flat_map(|domain| &mut domain.mailboxes);
                mailboxes.for_each(|mailbox| mailbox.expiry_date = Some(time(end)));
                self
            }
            _ => self.with(|facts| facts.period_end = Some(time(end))),
        }
    }

    /// Sets the domain of a subscription's event.
    pub fn of_domain(self, domain: &str) -> Self {
        self.with(|facts| facts.domain = Some(Domain::normalise(domain).unwrap()))
    }

    /// Changes the facts of a subscription's event.
    pub fn with(mut self, change: impl FnOnce(&mut SubscriptionFacts)) -> Self {
        match &mut self.event {
            OrderEvent::SubscriptionRenewing(facts)
            | OrderEvent::SubscriptionRenewed(facts)
            | OrderEvent::SubscriptionRenewalFailed(facts)
            | OrderEvent::SubscriptionPastDue(facts)
            | OrderEvent::SubscriptionExpired(facts)
            | OrderEvent::SubscriptionCancelled(facts)
            | OrderEvent::SubscriptionUpdated(facts) => change(facts),
            other => panic!("{} is no event of a subscription", other.type_name()),
        }
        self
    }

    /// Changes the facts of a registration's event.
    pub fn of_registration(mut self, change: impl FnOnce(&mut DomainFacts)) -> Self {
        match &mut self.event {
            OrderEvent::DomainRegistered(facts)
            | OrderEvent::DomainRegistrationFailed(facts)
            | OrderEvent::DomainRenewed(facts)
            | OrderEvent::DomainRenewalFailed(facts)
            | OrderEvent::DomainGracePeriodBegan(facts)
            | OrderEvent::DomainExpired(facts) => change(facts),
            other => panic!("{} is no event of a registration", other.type_name()),
        }
        self
    }

    /// Sets the user.
    pub fn user(mut self, user: &str) -> Self {
        self.event.set_user(UserId::parse(user).unwrap());
        self
    }

    /// Sets the provider.
    pub fn provider(mut self, provider: &str) -> Self {
        let provider = Some(ServiceProvider(provider.to_owned()));
        match &mut self.event {
            OrderEvent::MailboxesAssigned(facts) => facts.service_provider = provider,
            OrderEvent::AssignmentFailed(facts) => facts.service_provider = provider,
            OrderEvent::MailboxCreated(facts) => facts.service_provider = provider,
            _ => return self.with(|facts| facts.service_provider = provider),
        }
        self
    }

    /// Sets when the provider sent it, and also when it is recorded; [`Delivery::recorded`] can change the latter
    /// afterwards.
    pub fn sent(mut self, at: &str) -> Self {
        self.recorded_at = time(at);
        self.event.set_sent_at(time(at));
        self
    }

    /// Sets when it is recorded.
    pub fn recorded(mut self, at: &str) -> Self {
        self.recorded_at = time(at);
        self
    }

    /// The event, recorded at the position, in the stream named by its own facts.
    pub fn at(self, position: Position) -> Recorded {
        let event_id = EventId::parse(&self.event_id).unwrap();
        let stream = match (self.event.order_id(), self.event.as_subscription()) {
            (Some(order), _) => StreamId::order(order),
            (None, Some(facts)) => StreamId::subscription(&facts.subscription_id),
            (None, None) => match &self.event {
                OrderEvent::MailboxUpdated(facts) => StreamId::mailbox(&facts.mailbox_id),
                event => match (event.as_mailbox(), event.names_domain()) {
                    (Some(facts), _) => StreamId::mailbox(&facts.mailbox_id),
                    (None, Some(domain)) => StreamId::domain(domain),
                    (None, None) => StreamId::webhook(&event_id),
                },
            },
        };
        let subject = self
            .event
            .user_id()
            .map_or_else(|| SubjectId::stream(&stream), SubjectId::user);
        Recorded {
            position,
            stream,
            version: 1,
            source: Source::parse(SOURCE).unwrap(),
            event_id,
            recorded_at: self.recorded_at,
            subject,
            event: self.event.into(),
        }
    }

    fn assignment(&mut self) -> &mut MailboxesAssigned {
        match &mut self.event {
            OrderEvent::MailboxesAssigned(facts) => facts,
            other => panic!("{} is no assignment", other.type_name()),
        }
    }

    fn failure(mut self, domain: Option<Domain>, reason: &str) -> Self {
        let reason = Some(reason.to_owned());
        match &mut self.event {
            OrderEvent::AssignmentFailed(facts) => facts.failures.push(AssignmentFailure { domain, reason }),
            other => panic!("{} is no failure", other.type_name()),
        }
        self
    }
}
