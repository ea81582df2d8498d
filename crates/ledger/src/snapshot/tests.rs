use aggregates::{EventId, OrderEvent, OrderId, Source, SubjectId};
use cqrs_es::Aggregate;
use projections::testing::{Delivery, assigned, created, failed, quarantined, subscription, unrecognised, updated};
use proptest::prelude::*;

use super::*;
use sealing::DataKey;
use secret::Wiped;
use store::SealedSections;

const LEAF: Hash = [3; 32];

fn stream() -> StreamId {
    StreamId::order(&OrderId::parse("O1").unwrap())
}

/// The fold of deliveries.
fn fold(deliveries: impl IntoIterator<Item = Delivery>) -> Order {
    let mut order = Order::default();
    deliveries.into_iter().for_each(|delivery| order.apply(delivery.event));
    order
}

/// The stream's event of a version. Only the leaf of its other fields counts here.
fn event(version: u32) -> NewEvent {
    NewEvent {
        stream: stream(),
        version,
        source: Source::own(),
        event_id: EventId::parse("E1").unwrap(),
        type_name: "MailboxesAssigned",
        schema_version: 1,
        subject: SubjectId::stream(&stream()),
        facts: String::new(),
        sealed: SealedSections::default(),
        leaf_hash: LEAF,
        references: Vec::new(),
    }
}

/// A key that is always the same.
fn snapshot_key() -> SnapshotKey {
    SnapshotKey::new(&DataKey::from_bytes(Wiped::new([7; 32])))
}

fn written(version: u32, order: &Order) -> Option<StreamSnapshot> {
    write(&snapshot_key(), &event(version), order)
}

/// A history with every kind of event that an order's stream has.
fn history() -> Vec<Delivery> {
    vec![
        subscription("E1", OrderEvent::SubscriptionRenewing, "S9").of_domain("early.example"),
        assigned("E2", "O1")
            .domain("d1.example", "S1", &["M1", "M2"])
            .domain("d2.example", "", &["M3"]),
        failed("E3", "O1").fails("d3.example", "Insufficient wallet balance"),
        subscription("E4", OrderEvent::SubscriptionRenewed, "S1").user("U1"),
        subscription("E5", OrderEvent::SubscriptionRenewalFailed, "S2").of_domain("d2.example"),
        subscription("E6", OrderEvent::SubscriptionPastDue, "S2"),
        subscription("E7", OrderEvent::SubscriptionExpired, "S2").user("U2"),
        subscription("E8", OrderEvent::SubscriptionCancelled, "S3"),
        subscription("E9", OrderEvent::SubscriptionUpdated, "S1"),
        created("E10", "M4", "O1", "d4.example", "S4"),
        created("E11", "M5", "", "d5.example", "S5"),
        created("E12", "M6", "", "d6.example", ""),
        created("E13", "M7", "O1", "d7.example", ""),
        updated("E14", "M4", &[], &[]),
        unrecognised("E15", "mailbox.moved"),
        quarantined("E16"),
        assigned("E17", "O1").domain("d1.example", "S6", &[]).user("U3"),
    ]
}

/// Snapshots outlive the program version that wrote them. If this fails, since an order folds its events differently or
/// is serialised in another form, increment [`LABEL`]: then older snapshots are refused.
#[test]
fn a_snapshot_is_the_fold_as_json_behind_its_tag() {
    let order = fold(history());
    let snapshot = written(17, &order).unwrap();
    assert_eq!((&snapshot.stream, snapshot.version), (&stream(), 17));
    let (tag, json) = snapshot.state.split_at(SNAPSHOT_TAG);
    assert_eq!(
        str::from_utf8(json).unwrap(),
        concat!(
            r#"{"order_id":"O1","user_id":"U1","subscriptions":{"S1":"d1.example","S4":"d4.example","S6":"d1.example"},"#,
            r#""heard_of":["S2","S3","S5","S9"],"assigned":["d1.example","d2.example","d4.example","d7.example"]}"#
        )
    );
    assert_eq!(
        hex::encode(tag),
        "ca5f572f49c50b8e4329b31f76a6e743c9f8985a585d8698f9be075834ec9569"
    );
    assert_eq!(LABEL, "warmledger order v1");
}

#[test]
fn only_what_was_written_for_an_event_is_read_with_it() {
    let key = snapshot_key();
    let order = fold(history());
    let snapshot = written(17, &order).unwrap().state;
    let own = stream();
    let state = read(&key, (&own, 17), &LEAF, &snapshot).unwrap();
    assert_eq!((state.version, state.kept, state.order), (17, 17, order));
    let refused = |stream: &StreamId, version, leaf: &Hash, snapshot: &[u8]| {
        read(&key, (stream, version), leaf, snapshot).is_none()
    };
    assert!(refused(&own, 18, &LEAF, &snapshot));
    assert!(refused(&own, 17, &[4; 32], &snapshot), "another event has the version");
    let other = StreamId::order(&OrderId::parse("O2").unwrap());
    assert!(refused(&other, 17, &LEAF, &snapshot));
    assert!(read(&SnapshotKey::new(&DataKey::generate()), (&own, 17), &LEAF, &snapshot).is_none());
    for place in 0..snapshot.len() {
        let mut altered = snapshot.clone();
        altered[place] ^= 1;
        assert!(refused(&own, 17, &LEAF, &altered), "byte {place}");
        assert!(refused(&own, 17, &LEAF, &snapshot[..place]), "{place} bytes");
    }
}

#[test]
fn a_fold_of_thousands_of_domains_is_not_kept() {
    let order = |domains: u16| {
        let names = (0..domains).map(|number| format!("domain-{number}.example"));
        fold([names.fold(assigned("E1", "O1"), |order, name| order.domain(&name, "", &[]))])
    };
    assert!(written(1, &order(500)).is_some());
    assert!(written(1, &order(1_500)).is_none());
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

fn any_delivery() -> impl Strategy<Value = Delivery> {
    let user = || prop::option::weighted(0.3, prop::sample::select(vec!["U1", "U2"]));
    let domain = || prop::sample::select(vec!["", "d1.example", "d2.example", "d3.example"]);
    let id = || prop::sample::select(vec!["", "S1", "S2", "S3"]);
    let domains = prop::collection::vec((domain().prop_filter("a name", |name| !name.is_empty()), id()), 0..3);
    let delivery = prop_oneof![
        domains.prop_map(|domains| {
            domains.into_iter().fold(assigned("E1", "O1"), |order, (domain, id)| {
                order.domain(domain, id, &["M1"])
            })
        }),
        (prop::sample::select(vec!["S1", "S4", "S5"]), domain()).prop_map(|(id, domain)| {
            let renewed = subscription("E1", OrderEvent::SubscriptionRenewed, id);
            if domain.is_empty() {
                renewed
            } else {
                renewed.of_domain(domain)
            }
        }),
        (prop::sample::select(vec!["", "O1"]), domain(), id())
            .prop_map(|(order, domain, id)| created("E1", "M1", order, domain, id)),
        Just(unrecognised("E1", "mailbox.moved")),
    ];
    (delivery, user()).prop_map(|(delivery, user)| match user {
        Some(user) => delivery.user(user),
        None => delivery,
    })
}

proptest! {
    /// A stream read from any snapshot comes to the same state.
    #[test]
    fn a_stream_goes_on_from_its_snapshot_as_if_it_had_been_read(
        deliveries in prop::collection::vec(any_delivery(), 1..20),
        left_off: prop::sample::Index,
    ) {
        let (first, rest) = deliveries.split_at(left_off.index(deliveries.len()) + 1);
        let snapshot = written(first.len() as u32, &fold(first.to_vec())).unwrap();
        let own = stream();
        let mut resumed = read(&snapshot_key(), (&own, snapshot.version), &LEAF, &snapshot.state).unwrap().order;
        rest.iter().for_each(|delivery| resumed.apply(delivery.event.clone()));
        prop_assert_eq!(resumed, fold(deliveries));
    }
}
