//! The mailboxes of each domain. Key: the domain; one row per domain that was ever assigned.
//!
//! E-mail addresses, names and credentials are not here. Each mailbox keeps their place: the position of its event and
//! its index there. The sealed sections list the mailboxes of an event in that order, across all of its domains.

use std::collections::HashSet;

use aggregates::{
    CredentialKind, Domain, MailboxCreated, MailboxId, OrderEvent, OrderId, Position, Recorded, ServiceProvider,
    SubscriptionId, UserId,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::assignment::{Lasting, numbered};
use crate::provenance::Provenance;
use crate::stamp::Stamp;
use crate::{Column, Keys, Kind, Origin, Projection, Row, Value, Verdict};

/// The projection.
pub struct Mailboxes;

/// The view of a domain's mailboxes: its assignments, normally one, by order and subscription.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DomainView {
    assignments: Vec<Assignment>,
}

/// The mailboxes that one order's subscription gave the domain; several webhooks may each list some of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Assignment {
    order_id: OrderId,
    subscription_id: Option<SubscriptionId>,
    newest: Stamp,
    provenance: Provenance,
    /// By webhook and index in it.
    mailboxes: Vec<Mention>,
}

/// A mailbox, by the newest webhook that lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Mention {
    stamp: Stamp,
    mailbox: Mailbox,
}

/// A mailbox without its sealed parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Mailbox {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mailbox_id: Option<MailboxId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    is_admin: Option<bool>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "aggregates::moment::optional"
    )]
    warming_up_from: Option<Timestamp>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "aggregates::moment::optional"
    )]
    expiry_date: Option<Timestamp>,
    /// Left out if it is all of them, which is usual.
    #[serde(default = "CredentialKind::all", skip_serializing_if = "CredentialKind::is_all")]
    credentials: Vec<CredentialKind>,
    position: Position,
    index: u32,
}

/// A mailbox as readers see it, without its sealed parts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MailboxItem<'a> {
    /// The provider's mailbox id.
    pub mailbox_id: Option<&'a MailboxId>,
    /// Whether the account may administer the workspace.
    pub is_admin: Option<bool>,
    /// Since when it has been warmed up.
    pub warming_up_from: Option<Timestamp>,
    /// The order that it came with.
    pub order_id: &'a OrderId,
    /// The subscription that pays for it: another one than the domain's if it is of an earlier order.
    pub subscription_id: Option<&'a SubscriptionId>,
    /// When its subscription expires by its assignment: renewals are in `renewals`.
    pub expiry_date: Option<Timestamp>,
    /// Whether credentials came with it.
    pub has_credentials: bool,
    /// Their kinds.
    pub credentials: &'a [CredentialKind],
    /// The position of the event with its sealed sections.
    pub position: Position,
    /// Its index in that event, from 0.
    pub index: u32,
}

impl<'a> MailboxItem<'a> {
    fn of(assignment: &'a Assignment, mailbox: &'a Mailbox) -> Self {
        Self {
            order_id: &assignment.order_id,
            subscription_id: assignment.subscription_id.as_ref(),
            mailbox_id: mailbox.mailbox_id.as_ref(),
            is_admin: mailbox.is_admin,
            warming_up_from: mailbox.warming_up_from,
            expiry_date: mailbox.expiry_date,
            has_credentials: !mailbox.credentials.is_empty(),
            credentials: &mailbox.credentials,
            position: mailbox.position,
            index: mailbox.index,
        }
    }
}

/// A domain as readers see it: its current assignment, the one that lasts longest, and all mailboxes that its user has
/// there. A mailbox that several orders tell of is under the newest.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DomainItem<'a> {
    /// The domain.
    pub domain: &'a str,
    /// The order.
    pub order_id: &'a OrderId,
    /// The subscription that pays for the mailboxes.
    pub subscription_id: Option<&'a SubscriptionId>,
    /// The user who ordered.
    pub user_id: Option<&'a UserId>,
    /// Google, Microsoft, …
    pub service_provider: Option<&'a ServiceProvider>,
    /// When the last of them expires, by their assignment.
    pub expiry_date: Option<Timestamp>,
    /// The mailboxes, in the order of the webhooks.
    pub mailboxes: Vec<MailboxItem<'a>>,
}

impl Assignment {
    fn new(order_id: OrderId, subscription_id: Option<SubscriptionId>, stamp: Stamp) -> Self {
        Self {
            order_id,
            subscription_id,
            newest: stamp,
            provenance: Provenance::default(),
            mailboxes: Vec::new(),
        }
    }

    fn identity(&self) -> (&OrderId, Option<&SubscriptionId>) {
        (&self.order_id, self.subscription_id.as_ref())
    }

    /// Takes a mention of a mailbox unless there is a newer one.
    fn offer(&mut self, new: Mention) {
        if let Some(held) = self.find(&new) {
            if self.mailboxes[held].place() >= new.place() {
                return;
            }
            self.mailboxes.remove(held);
        }
        let place = self.mailboxes.partition_point(|held| held.place() < new.place());
        self.mailboxes.insert(place, new);
    }

    /// The index of a mention's mailbox: found by its id, or without an id by the mention's place.
    fn find(&self, new: &Mention) -> Option<usize> {
        match &new.mailbox.mailbox_id {
            Some(id) => self
                .mailboxes
                .iter()
                .position(|held| held.mailbox.mailbox_id.as_ref() == Some(id)),
            // binary search: a webhook has room for several hundred thousand of them
            None => {
                let place = self.mailboxes.binary_search_by(|held| held.place().cmp(&new.place()));
                place.ok()
            }
        }
    }

    fn expiry_date(&self) -> Option<Timestamp> {
        let expiries = self.mailboxes.iter().map(|mention| mention.mailbox.expiry_date);
        expiries.max().flatten()
    }

    fn lasting(&self) -> Lasting {
        (self.expiry_date(), self.newest)
    }
}

impl Mention {
    /// Its webhook and its index in it: unique for each mention.
    fn place(&self) -> (&Stamp, u32) {
        (&self.stamp, self.mailbox.index)
    }
}

impl DomainView {
    /// The domain as readers see it; the key is its name. None before its first event.
    pub fn item<'a>(&'a self, key: &'a str) -> Option<DomainItem<'a>> {
        let current = self.current()?;
        Some(DomainItem {
            domain: key,
            order_id: &current.order_id,
            subscription_id: current.subscription_id.as_ref(),
            user_id: current.provenance.user_id(),
            service_provider: current.provenance.service_provider(),
            expiry_date: current.expiry_date(),
            mailboxes: self
                .mailboxes(current)
                .into_iter()
                .map(|(assignment, mention)| MailboxItem::of(assignment, &mention.mailbox))
                .collect(),
        })
    }

    /// The mailboxes of the current assignment's user, by webhook and index in it. Those of another user are not theirs:
    /// the domain has moved.
    fn mailboxes<'a>(&'a self, current: &Assignment) -> Vec<(&'a Assignment, &'a Mention)> {
        let user = current.provenance.user_id();
        let own = self.assignments.iter().filter(|held| held.provenance.user_id() == user);
        let mut all: Vec<(&Assignment, &Mention)> = own
            .flat_map(|held| held.mailboxes.iter().map(move |mention| (held, mention)))
            .collect();
        all.sort_unstable_by(|(_, one), (_, other)| one.place().cmp(&other.place()));
        if self.assignments.len() > 1 {
            // the newest mention of each counts
            let mut seen = HashSet::new();
            let mut newest: Vec<_> = all
                .into_iter()
                .rev()
                .filter(|(_, mention)| mention.mailbox.mailbox_id.as_ref().is_none_or(|id| seen.insert(id)))
                .collect();
            newest.reverse();
            return newest;
        }
        all
    }

    fn current(&self) -> Option<&Assignment> {
        self.assignments.iter().max_by_key(|assignment| assignment.lasting())
    }

    /// A mailbox of an order, created outside of an assignment.
    fn create(&mut self, event: &Recorded, facts: &MailboxCreated) {
        let Some(order) = &facts.order_id else { return };
        let stamp = Stamp::of(event);
        let assignment = self.observed(order, facts.subscription_id.as_ref(), event, &stamp);
        assignment.offer(Mention {
            mailbox: Mailbox {
                mailbox_id: Some(facts.mailbox_id.clone()),
                is_admin: facts.is_admin,
                warming_up_from: facts.warming_up_from,
                expiry_date: facts.expiry_date,
                credentials: facts.credentials.clone(),
                position: event.position,
                index: 0,
            },
            stamp,
        });
    }

    /// The assignment of that order and subscription, updated with the event's provenance.
    fn observed(
        &mut self,
        order: &OrderId,
        subscription: Option<&SubscriptionId>,
        event: &Recorded,
        stamp: &Stamp,
    ) -> &mut Assignment {
        let assignment = self.assignment(order, subscription, stamp);
        if *stamp > assignment.newest {
            assignment.newest = *stamp;
        }
        assignment.provenance.observe(event, stamp);
        assignment
    }

    /// The assignment of that order and subscription, created if it is new; they are sorted by both.
    fn assignment(&mut self, order: &OrderId, subscription: Option<&SubscriptionId>, stamp: &Stamp) -> &mut Assignment {
        let found = self
            .assignments
            .binary_search_by(|held| held.identity().cmp(&(order, subscription)));
        let place = found.unwrap_or_else(|place| {
            let new = Assignment::new(order.clone(), subscription.cloned(), *stamp);
            self.assignments.insert(place, new);
            place
        });
        &mut self.assignments[place]
    }
}

impl Projection for Mailboxes {
    const NAME: &'static str = "mailboxes";
    const VERSION: u32 = 6;
    const COLUMNS: &'static [Column] = &[
        Column::key("domain"),
        Column::new("order_id", Kind::Text),
        Column::new("user_id", Kind::Text).nullable().indexed(),
        Column::new("service_provider", Kind::Text).nullable(),
        Column::new("subscription_id", Kind::Text).nullable(),
        Column::new("mailbox_count", Kind::Integer),
        Column::new("expiry_date", Kind::Timestamp).nullable(),
        Column::new("first_recorded_at", Kind::Timestamp),
        Column::new("last_recorded_at", Kind::Timestamp),
    ];
    type View = DomainView;

    fn keys(event: &Recorded) -> Keys {
        match event.order() {
            Some(OrderEvent::MailboxesAssigned(facts)) => facts
                .domains
                .iter()
                .map(|assigned| assigned.domain.as_str().to_owned())
                .collect(),
            // without its order it belongs to no assignment; it has a row in `accounts`
            Some(OrderEvent::MailboxCreated(facts)) if facts.order_id.is_some() => {
                facts.domain.iter().map(|domain| domain.as_str().to_owned()).collect()
            }
            _ => Keys::none(),
        }
    }

    fn origin(key: &str) -> Option<Origin> {
        Domain::parse(key).ok().map(Origin::Domain)
    }

    fn apply(view: &mut DomainView, key: &str, event: &Recorded) -> Verdict {
        if let Some(OrderEvent::MailboxCreated(facts)) = event.order() {
            view.create(event, facts);
        }
        let Some(OrderEvent::MailboxesAssigned(facts)) = event.order() else {
            return Verdict::Keep;
        };
        let stamp = Stamp::of(event);
        for (first, domain) in numbered(facts).filter(|(_, domain)| domain.domain.as_str() == key) {
            let assignment = view.observed(&facts.order_id, domain.subscription_id.as_ref(), event, &stamp);
            for (index, mailbox) in (first..).zip(&domain.mailboxes) {
                assignment.offer(Mention {
                    stamp,
                    mailbox: Mailbox {
                        mailbox_id: mailbox.mailbox_id.clone(),
                        is_admin: mailbox.is_admin,
                        warming_up_from: mailbox.warming_up_from,
                        expiry_date: mailbox.expiry_date,
                        credentials: mailbox.credentials.clone(),
                        position: event.position,
                        index,
                    },
                });
            }
        }
        Verdict::Keep
    }

    fn columns(view: &DomainView, key: &str) -> Row {
        let current = view.current();
        let recorded = |pick: fn(&Provenance) -> Option<Timestamp>| {
            view.assignments
                .iter()
                .filter_map(move |assignment| pick(&assignment.provenance))
        };
        vec![
            key.into(),
            current.map(|current| current.order_id.as_str()).into(),
            current.map(|current| current.provenance.user_column()).into(),
            current.map(|current| current.provenance.provider_column()).into(),
            current
                .and_then(|current| current.subscription_id.as_ref())
                .map(SubscriptionId::as_str)
                .into(),
            Value::count(current.map_or(0, |current| view.mailboxes(current).len())),
            current.and_then(Assignment::expiry_date).into(),
            recorded(Provenance::first_recorded_at).min().into(),
            recorded(Provenance::last_recorded_at).max().into(),
        ]
    }

    fn item(view: &DomainView, key: &str) -> serde_json::Result<serde_json::Value> {
        serde_json::to_value(view.item(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assigned, failed, given, subscription};

    /// The ids of a domain's mailboxes, each with the place of its sealed part.
    fn links(view: &DomainView) -> Vec<(Option<&str>, u64, u32)> {
        let mailboxes = view.item("").unwrap().mailboxes.into_iter();
        mailboxes
            .map(|mailbox| {
                let id = mailbox.mailbox_id.map(MailboxId::as_str);
                (id, mailbox.position.0, mailbox.index)
            })
            .collect()
    }

    #[test]
    fn a_webhook_full_of_mailboxes_without_ids_is_folded_once_and_again() {
        let mailboxes = vec!["{}"; 300_000].join(",");
        let facts = format!(r#"{{"domains":[{{"domain":"a.com","mailboxes":[{mailboxes}]}}],"orderId":"O1"}}"#);
        let event = OrderEvent::from_stored("MailboxesAssigned", 2, &facts).unwrap();
        let mut recorded = assigned("E1", "O1").at(Position(1));
        recorded.event = event.into();
        let mut view = DomainView::default();
        for _ in 0..2 {
            Mailboxes::apply(&mut view, "a.com", &recorded);
        }
        assert_eq!(view.item("a.com").unwrap().mailboxes.len(), 300_000);
    }

    #[test]
    fn mailboxes_are_numbered_through_all_domains_of_their_event() {
        let domains = given::<Mailboxes>([assigned("E1", "O1")
            .domain("a.com", "S1", &["M1", "M2"])
            .domain("b.com", "S2", &["M3"])
            .domain("c.com", "S3", &["M4"])]);
        assert_eq!(links(domains.view("a.com")), [(Some("M1"), 1, 0), (Some("M2"), 1, 1)]);
        assert_eq!(links(domains.view("b.com")), [(Some("M3"), 1, 2)]);
        assert_eq!(links(domains.view("c.com")), [(Some("M4"), 1, 3)]);
    }

    #[test]
    fn several_webhooks_of_one_subscription_add_up() {
        let first = assigned("E1", "O1")
            .domain("a.com", "S1", &["M1", "M2"])
            .sent("2025-10-27T20:00:00Z");
        let second = assigned("E2", "O1")
            .domain("a.com", "S1", &["M2", "M3"])
            .sent("2025-10-27T20:00:01Z");
        let domains = given::<Mailboxes>([first.clone(), second.clone()])
            .then_columns("a.com", &[("mailbox_count", 3_i64.into())]);
        // the newer mention of M2 counts
        assert_eq!(
            links(domains.view("a.com")),
            [(Some("M1"), 1, 0), (Some("M2"), 2, 0), (Some("M3"), 2, 1)]
        );
        let domains = given::<Mailboxes>([second, first]);
        assert_eq!(
            links(domains.view("a.com")),
            [(Some("M1"), 2, 0), (Some("M2"), 1, 0), (Some("M3"), 1, 1)]
        );
    }

    #[test]
    fn mailboxes_without_ids_are_told_apart_by_their_place() {
        let domains = given::<Mailboxes>([
            assigned("E1", "O1").domain("a.com", "S1", &["", ""]),
            assigned("E2", "O1").domain("a.com", "S1", &[""]),
        ]);
        assert_eq!(links(domains.view("a.com")), [(None, 1, 0), (None, 1, 1), (None, 2, 0)]);
    }

    #[test]
    fn the_assignment_that_lasts_longest_is_the_current_one() {
        let old = assigned("E2", "O1")
            .domain("a.com", "S1", &["M1"])
            .until("2025-11-27T00:00:00Z")
            .user("U1");
        let new = assigned("E1", "O2")
            .domain("a.com", "S2", &["M8", "M9"])
            .until("2026-11-27T00:00:00Z")
            .user("U2");
        for events in [[old.clone(), new.clone()], [new, old]] {
            given::<Mailboxes>(events).then_row_count(1).then_columns(
                "a.com",
                &[
                    ("domain", "a.com".into()),
                    ("order_id", "O2".into()),
                    ("subscription_id", "S2".into()),
                    ("user_id", "U2".into()),
                    ("mailbox_count", 2_i64.into()),
                    ("expiry_date", crate::testing::time("2026-11-27T00:00:00Z").into()),
                ],
            );
        }
    }

    #[test]
    fn a_second_order_hides_no_mailbox_of_the_same_user_and_a_mailbox_can_move() {
        let first = assigned("E1", "O1")
            .domain("a.com", "S1", &["M1", "M2"])
            .user("U1")
            .sent("2025-10-27T20:00:00Z");
        // the subscription was made anew
        let second = assigned("E2", "O2")
            .domain("a.com", "S2", &["M2"])
            .user("U1")
            .sent("2025-10-28T20:00:00Z");
        for events in [[first.clone(), second.clone()], [second, first]] {
            let domains = given::<Mailboxes>(events).then_columns(
                "a.com",
                &[("mailbox_count", 2_i64.into()), ("subscription_id", "S2".into())],
            );
            let item = domains.view("a.com").item("a.com").unwrap();
            let found: Vec<_> = item
                .mailboxes
                .iter()
                .map(|mailbox| {
                    (
                        mailbox.mailbox_id.map(MailboxId::as_str),
                        mailbox.subscription_id.map(SubscriptionId::as_str),
                    )
                })
                .collect();
            assert_eq!(found, [(Some("M1"), Some("S1")), (Some("M2"), Some("S2"))]);
        }
    }

    #[test]
    fn a_mailbox_tells_which_credentials_came_with_it() {
        let domains = given::<Mailboxes>([assigned("E1", "O1").domain("a.com", "", &["M1"])]);
        let item = domains.view("a.com").item("a.com").unwrap();
        assert!(item.mailboxes[0].has_credentials);
        assert_eq!(item.mailboxes[0].credentials.len(), 3);
        assert_eq!(item.subscription_id, None);
    }

    #[test]
    fn a_mailbox_made_by_itself_joins_those_of_its_order_and_subscription() {
        let assignment = assigned("E1", "O1").domain("a.com", "S1", &["M1"]);
        let made = crate::testing::created("E2", "M2", "O1", "a.com", "S1").user("U1");
        let mut links = Vec::new();
        for events in [[assignment.clone(), made.clone()], [made, assignment]] {
            let domains = given::<Mailboxes>(events)
                .then_row_count(1)
                .then_columns("a.com", &[("mailbox_count", 2_i64.into()), ("user_id", "U1".into())]);
            let item = domains.view("a.com").item("a.com").unwrap();
            links.push(
                item.mailboxes
                    .iter()
                    .map(|mailbox| mailbox.mailbox_id.cloned())
                    .collect::<Vec<_>>(),
            );
        }
        assert_eq!(links[0], links[1]);
    }

    #[test]
    fn only_assignments_make_rows() {
        given::<Mailboxes>([
            failed("E1", "O1").fails("a.com", "Pre-warmed mailboxes not available"),
            subscription("E2", OrderEvent::SubscriptionRenewed, "S1").of_domain("a.com"),
        ])
        .then_no_rows();
    }
}
