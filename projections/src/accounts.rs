//! The places of the newest sealed parts of each mailbox: which event holds its password now, which its address. Key:
//! the mailbox's id; mailboxes without one have no row.
//!
//! A part in an event of an older schema version may be blank, which only its opened section shows: such an event does
//! not replace the older ones, and readers take the newest part that is not blank ([`AccountView::places`]).

use std::collections::BTreeSet;
use std::ops::Not;

use aggregates::{
    CredentialKind, Domain, MailboxId, OrderEvent, OrderId, PersonalField, Position, Recorded, SubscriptionId,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::assignment::numbered;
use crate::merge::Newest;
use crate::stamp::Stamp;
use crate::{Column, Keys, Origin, Projection, Row, Verdict};

/// The projection.
pub struct Accounts;

/// A sealed part of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    /// The app password.
    AppPassword,
    /// The TOTP seed.
    AuthenticatorSecret,
    /// The account's password.
    Password,
    /// Its address.
    Email,
    /// The first name.
    FirstName,
    /// The last name.
    LastName,
    /// The address of the picture.
    ProfilePicture,
}

impl From<CredentialKind> for Part {
    fn from(kind: CredentialKind) -> Self {
        match kind {
            CredentialKind::AppPassword => Self::AppPassword,
            CredentialKind::AuthenticatorSecret => Self::AuthenticatorSecret,
            CredentialKind::Password => Self::Password,
        }
    }
}

impl From<PersonalField> for Part {
    fn from(field: PersonalField) -> Self {
        match field {
            PersonalField::Email => Self::Email,
            PersonalField::FirstName => Self::FirstName,
            PersonalField::LastName => Self::LastName,
            PersonalField::ProfilePicture => Self::ProfilePicture,
        }
    }
}

/// The view of one mailbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccountView {
    /// Newest first; each holds the parts that no newer one does.
    tellings: Vec<Telling>,
    /// The newest event that names its domain, order and subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    home: Option<Stamp>,
    /// The credentials that more than one event told.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    changed: BTreeSet<CredentialKind>,
    /// When it was last exported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exported: Option<Stamp>,
    /// The newest event about its warm-up, and whether it is warmed up since.
    #[serde(default, skip_serializing_if = "Newest::is_none")]
    warmup: Newest<bool>,
}

/// Where and since when a credential is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialState {
    /// When the provider told it.
    pub since: Timestamp,
    /// The position of that event.
    pub event: Position,
    /// Whether it replaced an earlier one.
    pub changed: bool,
}

/// Whether a mailbox is warmed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warmup {
    /// Whether it is.
    pub active: bool,
    /// The event that says so.
    pub since: Timestamp,
}

/// The parts of a mailbox in one event that no newer event has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Telling {
    stamp: Stamp,
    /// The mailbox's index in the event, from 0.
    index: u32,
    #[serde(default, skip_serializing_if = "Not::not")]
    may_be_blank: bool,
    /// Left out if it is all of them, which is usual.
    #[serde(default = "Part::all", skip_serializing_if = "Part::is_all")]
    parts: BTreeSet<Part>,
}

impl Part {
    const ALL: [Self; 7] = [
        Self::AppPassword,
        Self::AuthenticatorSecret,
        Self::Password,
        Self::Email,
        Self::FirstName,
        Self::LastName,
        Self::ProfilePicture,
    ];

    fn all() -> BTreeSet<Self> {
        Self::ALL.into()
    }

    fn is_all(parts: &BTreeSet<Self>) -> bool {
        parts.len() == Self::ALL.len()
    }
}

impl Telling {
    /// Unique for each telling.
    fn place(&self) -> (&Stamp, u32) {
        (&self.stamp, self.index)
    }
}

/// The domain, order and subscription of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Home {
    /// Its domain.
    pub domain: Domain,
    /// The order that created it.
    pub order_id: Option<OrderId>,
    /// The subscription that pays for it.
    pub subscription_id: Option<SubscriptionId>,
}

/// The place of a sealed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The event.
    pub position: Position,
    /// The mailbox's index in the event, from 0.
    pub index: u32,
}

impl Home {
    /// The home of a mailbox in an event. If the event puts it into two domains, the greater one counts, for a
    /// deterministic result.
    pub fn told_by(event: &Recorded, mailbox: &MailboxId) -> Option<Self> {
        let told = told(event.order()?, mailbox.as_str());
        told.into_iter().filter_map(|(_, _, home)| home).max()
    }
}

/// The mailbox at a place of an event's sealed sections, and its domain, as far as the event says them.
pub fn mailbox_at(event: &OrderEvent, index: u32) -> (Option<&MailboxId>, Option<&Domain>) {
    match event {
        OrderEvent::MailboxesAssigned(facts) => {
            let mut domains = numbered(facts).filter(|(first, _)| *first <= index);
            let Some((first, domain)) = domains.by_ref().last() else {
                return (None, None);
            };
            let mailbox = domain.mailboxes.get((index - first) as usize);
            let id = mailbox.and_then(|mailbox| mailbox.mailbox_id.as_ref());
            (id, mailbox.map(|_| &domain.domain))
        }
        OrderEvent::MailboxCreated(facts) => (Some(&facts.mailbox_id), facts.domain.as_ref()),
        OrderEvent::MailboxUpdated(facts) => (Some(&facts.mailbox_id), None),
        _ => event
            .as_mailbox()
            .map_or((None, None), |facts| (Some(&facts.mailbox_id), facts.domain.as_ref())),
    }
}

impl AccountView {
    /// The place of the newest part of a kind; none if no event has it.
    pub fn place(&self, part: Part) -> Option<Place> {
        self.places(part).next()
    }

    /// The places of a part, newest first: all but the last may be blank.
    pub fn places(&self, part: Part) -> impl Iterator<Item = Place> {
        let mut sure = false;
        let telling = self
            .tellings
            .iter()
            .filter(move |telling| telling.parts.contains(&part));
        telling
            .take_while(move |telling| !std::mem::replace(&mut sure, !telling.may_be_blank))
            .map(|telling| Place {
                position: telling.stamp.position(),
                index: telling.index,
            })
    }

    /// The kinds of credentials it has.
    pub fn credentials(&self) -> Vec<CredentialKind> {
        let kinds = [
            CredentialKind::AppPassword,
            CredentialKind::AuthenticatorSecret,
            CredentialKind::Password,
        ];
        let there = kinds.into_iter().filter(|kind| self.place((*kind).into()).is_some());
        there.collect()
    }

    /// Since when a credential is as it is; none if no event has it.
    pub fn credential(&self, kind: CredentialKind) -> Option<CredentialState> {
        let part = kind.into();
        let telling = self.tellings.iter().find(|telling| telling.parts.contains(&part))?;
        Some(CredentialState {
            since: telling.stamp.time(),
            event: telling.stamp.position(),
            changed: self.changed.contains(&kind),
        })
    }

    /// When it was last exported.
    pub fn exported_at(&self) -> Option<Timestamp> {
        self.exported.map(|stamp| stamp.time())
    }

    /// Whether it is warmed up, by the newest event that says so.
    pub fn warmup(&self) -> Option<Warmup> {
        let (stamp, active) = self.warmup.keyed()?;
        Some(Warmup {
            active: *active,
            since: stamp.time(),
        })
    }

    /// The position of the newest event with its home: [`Home::told_by`] reads it there.
    pub fn home(&self) -> Option<Position> {
        self.home.map(|stamp| stamp.position())
    }

    fn offer(&mut self, mut new: Telling) {
        self.tellings.retain(|held| held.place() != new.place());
        let at = self.tellings.partition_point(|held| held.place() > new.place());
        for newer in self.tellings[..at].iter().filter(|newer| !newer.may_be_blank) {
            new.parts.retain(|part| !newer.parts.contains(part));
        }
        if !new.may_be_blank {
            for older in &mut self.tellings[at..] {
                older.parts.retain(|part| !new.parts.contains(part));
            }
        }
        self.tellings.insert(at, new);
        self.tellings.retain(|telling| !telling.parts.is_empty());
    }
}

fn may_be_blank(event: &OrderEvent) -> bool {
    match event {
        OrderEvent::MailboxesAssigned(facts) => facts.may_be_blank,
        OrderEvent::MailboxCreated(facts) => facts.may_be_blank,
        OrderEvent::MailboxUpdated(facts) => facts.may_be_blank,
        _ => false,
    }
}

/// A mailbox's parts in an event: its index in the event, the parts, and its home.
fn told(event: &OrderEvent, key: &str) -> Vec<(u32, BTreeSet<Part>, Option<Home>)> {
    let parts = |credentials: &[CredentialKind], personal: &[PersonalField]| -> BTreeSet<Part> {
        let credentials = credentials.iter().copied().map(Part::from);
        credentials.chain(personal.iter().copied().map(Part::from)).collect()
    };
    match event {
        OrderEvent::MailboxesAssigned(facts) => {
            let all = numbered(facts).flat_map(|(first, domain)| {
                let home = Home {
                    domain: domain.domain.clone(),
                    order_id: Some(facts.order_id.clone()),
                    subscription_id: domain.subscription_id.clone(),
                };
                let own = |id: &MailboxId| id.as_str() == key;
                let numbered = (first..).zip(&domain.mailboxes);
                numbered
                    .filter(move |(_, mailbox)| mailbox.mailbox_id.as_ref().is_some_and(own))
                    .map(move |(index, mailbox)| {
                        (
                            index,
                            parts(&mailbox.credentials, &mailbox.personal),
                            Some(home.clone()),
                        )
                    })
            });
            all.collect()
        }
        OrderEvent::MailboxCreated(facts) => {
            let home = facts.domain.clone().map(|domain| Home {
                domain,
                order_id: facts.order_id.clone(),
                subscription_id: facts.subscription_id.clone(),
            });
            vec![(0, parts(&facts.credentials, &facts.personal), home)]
        }
        OrderEvent::MailboxUpdated(facts) => vec![(0, parts(&facts.credentials, &facts.personal), None)],
        _ => Vec::new(),
    }
}

impl Projection for Accounts {
    const NAME: &'static str = "accounts";
    const VERSION: u32 = 5;
    const COLUMNS: &'static [Column] = &[Column::key("mailbox_id")];
    type View = AccountView;

    fn keys(event: &Recorded) -> Keys {
        match event.order() {
            Some(OrderEvent::MailboxesAssigned(facts)) => {
                let mailboxes = facts.domains.iter().flat_map(|domain| &domain.mailboxes);
                let ids = mailboxes.filter_map(|mailbox| mailbox.mailbox_id.as_ref());
                ids.map(|id| id.as_str().to_owned()).collect()
            }
            Some(OrderEvent::MailboxCreated(facts)) => Keys::one(facts.mailbox_id.as_str()),
            Some(OrderEvent::MailboxUpdated(facts)) => Keys::one(facts.mailbox_id.as_str()),
            Some(order) => order
                .as_mailbox()
                .map_or(Keys::none(), |facts| Keys::one(facts.mailbox_id.as_str())),
            None => Keys::none(),
        }
    }

    fn origin(key: &str) -> Option<Origin> {
        MailboxId::parse(key).ok().map(|_| Origin::Log)
    }

    fn apply(view: &mut AccountView, key: &str, event: &Recorded) -> Verdict {
        let stamp = Stamp::of(event);
        let told = event.order().map(|order| told(order, key)).unwrap_or_default();
        if told.iter().any(|(_, _, home)| home.is_some()) {
            view.home = view.home.max(Some(stamp));
        }
        match event.order() {
            Some(OrderEvent::MailboxExported(_)) => view.exported = view.exported.max(Some(stamp)),
            Some(OrderEvent::MailboxWarmupStarted(_)) => view.warmup.offer(&stamp, Some(&true)),
            Some(OrderEvent::MailboxWarmupRemoved(_)) => view.warmup.offer(&stamp, Some(&false)),
            _ => {}
        }
        let again = CredentialKind::ALL.into_iter().filter(|kind| {
            let part = Part::from(*kind);
            view.place(part).is_some() && told.iter().any(|(_, parts, _)| parts.contains(&part))
        });
        let again: Vec<CredentialKind> = again.collect();
        view.changed.extend(again);
        for (index, parts, _) in told {
            view.offer(Telling {
                stamp,
                index,
                may_be_blank: event.order().is_some_and(may_be_blank),
                parts,
            });
        }
        Verdict::Keep
    }

    fn columns(_: &AccountView, key: &str) -> Row {
        vec![key.into()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assigned, created, given, happened, time, updated};

    fn at(view: &AccountView, part: Part) -> Option<(u64, u32)> {
        view.place(part).map(|place| (place.position.0, place.index))
    }

    #[test]
    fn a_new_password_replaces_the_assigned_one_and_nothing_else() {
        let accounts = given::<Accounts>([
            assigned("E1", "O1")
                .domain("a.com", "S1", &["M1", "M2"])
                .sent("2025-10-27T20:00:00Z"),
            updated("E2", "M2", &[CredentialKind::Password], &[PersonalField::FirstName]).sent("2025-10-28T20:00:00Z"),
        ]);
        let view = accounts.view("M2");
        assert_eq!(at(view, Part::Password), Some((2, 0)));
        assert_eq!(at(view, Part::FirstName), Some((2, 0)));
        assert_eq!(at(view, Part::AppPassword), Some((1, 1)));
        assert_eq!(at(view, Part::Email), Some((1, 1)));
        assert_eq!(at(accounts.view("M1"), Part::Password), Some((1, 0)));
        assert_eq!(view.home(), Some(Position(1)));
    }

    #[test]
    fn the_newest_telling_counts_whichever_came_first() {
        let old = updated("E2", "M1", &[CredentialKind::Password], &[]).sent("2025-10-27T20:00:00Z");
        let new = updated("E1", "M1", &[CredentialKind::Password], &[]).sent("2025-10-28T20:00:00Z");
        let first = given::<Accounts>([old.clone(), new.clone()]);
        assert_eq!(at(first.view("M1"), Part::Password), Some((2, 0)));
        let second = given::<Accounts>([new, old]);
        assert_eq!(at(second.view("M1"), Part::Password), Some((1, 0)));
        assert_eq!(second.view("M1").home(), None);
        assert_eq!(at(second.view("M1"), Part::AppPassword), None);
    }

    #[test]
    fn a_change_of_the_second_of_its_assignment_counts_whichever_came_first() {
        let assignment = assigned("Z", "O1")
            .domain("a.com", "S1", &["M1"])
            .sent("2025-10-27T20:00:00Z");
        let change = updated("A", "M1", &[CredentialKind::Password], &[]).sent("2025-10-27T20:00:00Z");
        let first = given::<Accounts>([assignment.clone(), change.clone()]);
        assert_eq!(at(first.view("M1"), Part::Password), Some((2, 0)));
        let second = given::<Accounts>([change.clone(), assignment]);
        assert_eq!(at(second.view("M1"), Part::Password), Some((1, 0)));
        // the provider's clock does not order the two changes
        let third = given::<Accounts>([change.clone(), change]);
        assert_eq!(at(third.view("M1"), Part::Password), Some((2, 0)));
    }

    #[test]
    fn what_may_be_blank_hides_nothing_and_is_asked_first() {
        let sure = updated("E1", "M1", &[CredentialKind::Password], &[]).sent("2025-10-27T20:00:00Z");
        let mut old = [1, 2].map(|second| {
            updated("E2", "M1", &[CredentialKind::Password], &[]).sent(&format!("2025-10-27T20:00:0{second}Z"))
        });
        for delivery in &mut old {
            if let OrderEvent::MailboxUpdated(facts) = &mut delivery.event {
                facts.may_be_blank = true;
            }
        }
        let [older, newer] = old;
        let oldest = updated("E0", "M1", &[CredentialKind::Password], &[]).sent("2025-10-27T19:00:00Z");
        let view = given::<Accounts>([newer, sure, oldest, older]);
        let places = view.view("M1").places(Part::Password).map(|place| place.position.0);
        assert_eq!(places.collect::<Vec<_>>(), [1, 4, 2]);
    }

    #[test]
    fn a_mailbox_made_by_itself_has_its_row() {
        let created = created("E1", "M1", "O1", "a.com", "S1");
        let accounts = given::<Accounts>([created.clone()]);
        assert_eq!(accounts.view("M1").home(), Some(Position(1)));
        assert_eq!(at(accounts.view("M1"), Part::AuthenticatorSecret), Some((1, 0)));
        let home = Home::told_by(&created.at(Position(1)), &MailboxId::parse("M1").unwrap()).unwrap();
        assert_eq!(home.domain.as_str(), "a.com");
        assert_eq!(home.subscription_id.unwrap().as_str(), "S1");
    }

    #[test]
    fn a_place_in_an_event_names_its_mailbox() {
        let event = assigned("E1", "O1")
            .domain("a.com", "S1", &["M1", ""])
            .domain("b.com", "S2", &[])
            .domain("c.com", "S3", &["M2"])
            .at(Position(1));
        let at = |index| {
            let (id, domain) = mailbox_at(event.order().unwrap(), index);
            (id.map(MailboxId::as_str), domain.map(Domain::as_str))
        };
        assert_eq!(at(0), (Some("M1"), Some("a.com")));
        assert_eq!(at(1), (None, Some("a.com")));
        assert_eq!(at(2), (Some("M2"), Some("c.com")));
        assert_eq!(at(3), (None, None));
        let updated = updated("E2", "M1", &[], &[]).at(Position(2));
        let (id, domain) = mailbox_at(updated.order().unwrap(), 0);
        assert_eq!((id.map(MailboxId::as_str), domain), (Some("M1"), None));
    }

    #[test]
    fn mailboxes_without_ids_have_no_row() {
        given::<Accounts>([assigned("E1", "O1").domain("a.com", "S1", &["", ""])]).then_no_rows();
    }

    #[test]
    fn a_credential_says_since_when_it_is_and_whether_it_was_changed() {
        let made = assigned("E1", "O1")
            .domain("a.com", "S1", &["M1"])
            .sent("2025-10-27T20:00:00Z");
        let rotated = updated("E2", "M1", &[CredentialKind::Password], &[]).sent("2025-10-28T20:00:00Z");
        for events in [[made.clone(), rotated.clone()], [rotated, made]] {
            let accounts = given::<Accounts>(events);
            let view = accounts.view("M1");
            let password = view.credential(CredentialKind::Password).unwrap();
            assert_eq!((password.since, password.changed), (time("2025-10-28T20:00:00Z"), true));
            let app = view.credential(CredentialKind::AppPassword).unwrap();
            assert_eq!((app.since, app.changed), (time("2025-10-27T20:00:00Z"), false));
        }
    }

    #[test]
    fn warm_up_and_export_are_those_of_the_newest_events() {
        let started = happened("E1", OrderEvent::MailboxWarmupStarted, "M1").sent("2025-10-27T20:00:00Z");
        let removed = happened("E2", OrderEvent::MailboxWarmupRemoved, "M1").sent("2025-10-29T20:00:00Z");
        let exported = happened("E3", OrderEvent::MailboxExported, "M1").sent("2025-10-28T20:00:00Z");
        for events in [
            [started.clone(), removed.clone(), exported.clone()],
            [removed, exported, started],
        ] {
            let accounts = given::<Accounts>(events);
            let view = accounts.view("M1");
            let warmup = view.warmup().unwrap();
            assert_eq!((warmup.active, warmup.since), (false, time("2025-10-29T20:00:00Z")));
            assert_eq!(view.exported_at(), Some(time("2025-10-28T20:00:00Z")));
            assert!(view.credentials().is_empty());
        }
    }
}
