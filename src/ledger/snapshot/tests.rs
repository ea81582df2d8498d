use aggregates::{
    AssignedDomain, Domain, MailboxesAssigned, OrderEvent, OrderId, SubscriptionFacts, SubscriptionId, UserId,
};
use cqrs_es::Aggregate;
use proptest::prelude::*;

use super::*;
use crate::vault::DataKey;

fn stream() -> StreamId {
    StreamId::order(&OrderId::parse("O1").unwrap())
}

fn assigned(domains: impl IntoIterator<Item = (u8, Option<u8>)>, user: Option<u8>) -> OrderEvent {
    let domains = domains.into_iter().map(|(domain, subscription)| AssignedDomain {
        domain: Domain::normalise(&format!("d{domain}.example")).unwrap(),
        mailboxes: Vec::new(),
        subscription_id: subscription.map(|id| SubscriptionId::parse(&format!("S{id}")).unwrap()),
    });
    OrderEvent::MailboxesAssigned(MailboxesAssigned {
        domains: domains.collect::<Vec<_>>().into(),
        order_id: OrderId::parse("O1").unwrap(),
        sent_at: None,
        service_provider: None,
        unsigned: false,
        user_id: user.map(|user| UserId::parse(&format!("U{user}")).unwrap()),
    })
}

fn renewed(subscription: u8, domain: Option<u8>, user: Option<u8>) -> OrderEvent {
    OrderEvent::SubscriptionRenewed(SubscriptionFacts {
        auto_renew: None,
        domain: domain.map(|domain| Domain::normalise(&format!("d{domain}.example")).unwrap()),
        order_id: None,
        period_end: None,
        period_start: None,
        quantity: None,
        reason: None,
        sent_at: None,
        service_provider: None,
        subscription_id: SubscriptionId::parse(&format!("S{subscription}")).unwrap(),
        subscription_status: None,
        unsigned: false,
        user_id: user.map(|user| UserId::parse(&format!("U{user}")).unwrap()),
    })
}

fn state(events: impl IntoIterator<Item = OrderEvent>) -> StreamState {
    let mut state = StreamState::default();
    for event in events {
        state.version += 1;
        state.order.apply(event);
    }
    state
}

/// What is kept is read by later versions too, so neither its form nor its tag changes as long as its label does not.
#[test]
fn a_snapshot_is_the_fold_as_json_behind_its_tag() {
    let state = state([assigned([(1, Some(1)), (2, None)], Some(1)), renewed(2, None, None)]);
    let snapshot = write(&SnapshotKey::example(), &stream(), &state).unwrap();
    assert_eq!((&snapshot.stream, snapshot.version), (&stream(), 2));
    let (tag, json) = snapshot.state.split_at(SNAPSHOT_TAG);
    assert_eq!(
        str::from_utf8(json).unwrap(),
        concat!(
            r#"{"order_id":"O1","user_id":"U1","subscriptions":{"S1":"d1.example"},"heard_of":["S2"],"#,
            r#""assigned":["d1.example","d2.example"]}"#
        )
    );
    assert_eq!(
        hex::encode(tag),
        "cb8837d4cf05be18680c2141018bc8fb1bc15d1b9c25f01994705d2658bd9c1c"
    );
}

#[test]
fn only_what_was_written_for_a_stream_at_a_version_is_read() {
    let state = state([assigned([(1, Some(1))], Some(1))]);
    let snapshot = write(&SnapshotKey::example(), &stream(), &state).unwrap().state;
    assert!(read(&SnapshotKey::example(), &stream(), 1, &snapshot).is_some());
    assert!(read(&SnapshotKey::example(), &stream(), 2, &snapshot).is_none());
    let other = StreamId::order(&OrderId::parse("O2").unwrap());
    assert!(read(&SnapshotKey::example(), &other, 1, &snapshot).is_none());
    assert!(read(&SnapshotKey::new(&DataKey::generate()), &stream(), 1, &snapshot).is_none());
    for place in 0..snapshot.len() {
        let mut altered = snapshot.clone();
        altered[place] ^= 1;
        assert!(
            read(&SnapshotKey::example(), &stream(), 1, &altered).is_none(),
            "byte {place}"
        );
        assert!(
            read(&SnapshotKey::example(), &stream(), 1, &snapshot[..place]).is_none(),
            "{place} bytes"
        );
    }
}

#[test]
fn a_fold_of_thousands_of_domains_is_not_kept() {
    let domains = |count: u16| {
        let named = (0..count).map(|number| AssignedDomain {
            domain: Domain::normalise(&format!("domain-{number}.example")).unwrap(),
            mailboxes: Vec::new(),
            subscription_id: None,
        });
        let OrderEvent::MailboxesAssigned(mut facts) = assigned([], None) else {
            unreachable!("it is one");
        };
        facts.domains = named.collect::<Vec<_>>().into();
        state([OrderEvent::MailboxesAssigned(facts)])
    };
    assert!(write(&SnapshotKey::example(), &stream(), &domains(1_000)).is_some());
    assert!(write(&SnapshotKey::example(), &stream(), &domains(3_000)).is_none());
}

#[test]
fn a_snapshot_is_due_every_so_many_versions() {
    let at = |version, kept| {
        is_due(&StreamState {
            version,
            kept,
            ..StreamState::default()
        })
    };
    assert!(!at(1, 0) && !at(EVERY - 1, 0) && at(EVERY, 0));
    assert!(!at(EVERY + 1, EVERY) && at(2 * EVERY, EVERY) && at(5 * EVERY, EVERY));
}

fn any_event() -> impl Strategy<Value = OrderEvent> {
    let user = || prop::option::weighted(0.3, 0..2_u8);
    let domains = prop::collection::vec((0..4_u8, prop::option::of(0..4_u8)), 0..3);
    prop_oneof![
        (domains, user()).prop_map(|(domains, user)| assigned(domains, user)),
        (0..6_u8, prop::option::of(0..6_u8), user()).prop_map(|(subscription, domain, user)| renewed(
            subscription,
            domain,
            user
        )),
    ]
}

proptest! {
    /// Wherever a stream was left off, what it comes to is the same.
    #[test]
    fn a_stream_goes_on_from_its_snapshot_as_if_it_had_been_read(
        events in prop::collection::vec(any_event(), 1..20),
        left_off: prop::sample::Index,
    ) {
        let (first, rest) = events.split_at(left_off.index(events.len()) + 1);
        let before = state(first.to_vec());
        let snapshot = write(&SnapshotKey::example(), &stream(), &before).unwrap();
        let mut resumed = read(&SnapshotKey::example(), &stream(), snapshot.version, &snapshot.state).unwrap();
        prop_assert_eq!((resumed.version, resumed.kept), (snapshot.version, snapshot.version));
        for event in rest {
            resumed.version += 1;
            resumed.order.apply(event.clone());
        }
        let whole = state(events);
        prop_assert_eq!((resumed.version, resumed.order), (whole.version, whole.order));
    }
}
