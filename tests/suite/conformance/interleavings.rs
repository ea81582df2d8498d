//! Any plan of the simulator, in order or shuffled and with repeats, through the real ledger and runner. Then live rows
//! = rebuilt rows, shuffled rows = ordered rows, and both match the provider's expectation.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use aggregates::{EventId, Position};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use warmledger::ingest::signature::{SIGNATURE_HEADER, Scheme, TIMESTAMP_HEADER, sign};
use warmledger::runner::LiveRunner;
use warmledger::service::Core;
use warmledger::simulate::{
    DomainOutcome, Expected, ExpectedOrdinaryOrder, Options, Plan, Scenario, SubscriptionStatus,
};
use warmledger::store::{Mode, StoredEvent};

use crate::on_both_stores;
use crate::support::log::{live_equals_rebuilt, sound_log};
use crate::support::raw::Raw;
use crate::support::{Database, until};

on_both_stores!(a_month_of_200_customers_ends_in_the_rows_that_the_provider_meant);

mod any_sqlite {
    #[test]
    fn any_plan_in_any_order_ends_in_the_rows_that_the_provider_meant() {
        super::any_plan(12, || async { super::Database::sqlite() });
    }
}

mod any_postgres {
    #[test]
    fn any_plan_in_any_order_ends_in_the_rows_that_the_provider_meant() {
        super::any_plan(3, super::Database::postgres);
    }
}

/// A plan, and the number of concurrent webhooks.
type Case = (Options, usize);

fn cases() -> impl Strategy<Value = Case> {
    let scenarios = [
        Scenario::Success,
        Scenario::FullFailure,
        Scenario::PartialFailure,
        Scenario::Mix,
    ];
    let scenario = proptest::sample::select(scenarios.to_vec());
    let scenario = prop_oneof![1 => scenario, 2 => Just(Scenario::Mix)];
    let base_time: Timestamp = "2026-03-31T22:59:59.999Z".parse().unwrap();
    (
        1..14_usize,
        scenario,
        (any::<bool>(), any::<bool>()),
        (0.0..0.6, prop_oneof![Just(0.0), Just(0.3)]),
        any::<u64>(),
        1..40_usize,
    )
        .prop_map(
            move |(orders, scenario, (renewals, families), (duplicates, odd), seed, at_once)| {
                let options = Options {
                    scenario,
                    renewals,
                    families,
                    odd,
                    duplicates,
                    shuffle: true,
                    seed,
                    ..Options::new(orders, base_time)
                };
                (options, at_once)
            },
        )
}

fn any_plan<F: Future<Output = Database>>(count: u32, database: impl Fn() -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases: count,
        max_shrink_iters: 40,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&cases(), |(options, at_once)| {
        runtime.block_on(async {
            let ordered = Options {
                shuffle: false,
                duplicates: 0.0,
                ..options.clone()
            };
            let (shuffled, ordered) = (Plan::new(&options), Plan::new(&ordered));
            let sent_at: HashMap<EventId, Timestamp> = ordered
                .deliveries
                .iter()
                .map(|delivery| (delivery.event_id.clone(), options.base_time + delivery.after))
                .collect();
            let (first, second) = (database().await, database().await);
            let rows = play(&first, &ordered, &sent_at, 25).await;
            means(&rows, &ordered.expected);
            let shuffled_rows = play(&second, &shuffled, &sent_at, at_once).await;
            means(&shuffled_rows, &shuffled.expected);
            same(&rows, &shuffled_rows);
        });
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// 200 customers' orders with all that happens to them, in any order, one in twenty twice and one in ten with its values
/// in another form: the views are what the player meant, row by row.
async fn a_month_of_200_customers_ends_in_the_rows_that_the_provider_meant(database: Database) {
    let base_time: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    let plan = Plan::new(&Options {
        renewals: true,
        families: true,
        odd: 0.1,
        duplicates: 0.05,
        shuffle: true,
        seed: 200,
        ..Options::new(1_000, base_time)
    });
    let sent_at = plan
        .deliveries
        .iter()
        .map(|delivery| (delivery.event_id.clone(), base_time + delivery.after));
    let sent_at: HashMap<EventId, Timestamp> = sent_at.collect();
    let rows = play(&database, &plan, &sent_at, 200).await;
    means(&rows, &plan.expected);
    let customers = plan
        .expected
        .orders
        .iter()
        .map(|order| &order.user_id)
        .collect::<BTreeSet<_>>();
    assert!(customers.len() > 190);
    assert_eq!(rows["customers"].len(), customers.len());
}

type Rows = BTreeMap<&'static str, Vec<Value>>;

/// Records a plan while the projections run, checks the log and the live rows, and returns the rows with event ids
/// instead of positions.
async fn play(database: &Database, plan: &Plan, sent_at: &HashMap<EventId, Timestamp>, at_once: usize) -> Rows {
    let core = Core::open(&database.settings(), Mode::Migrate).await.unwrap();
    let runner = LiveRunner::new(Arc::clone(&core.store));
    runner.prepare().await.unwrap();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(runner.clone().run(core.ledger.tail(), shutdown.clone()));
    let (ingest, key) = (&core.ingests["coldmailreseller"], &core.secrets.webhook_keys[0]);
    for chunk in plan.deliveries.chunks(at_once) {
        let sent = chunk.iter().map(|delivery| async {
            let timestamp = sent_at[&delivery.event_id].as_millisecond().to_string();
            let signature = sign(key, Scheme::default(), &timestamp, delivery.body.as_bytes());
            let header = |name: &str| match name {
                SIGNATURE_HEADER => Some(signature.as_str()),
                TIMESTAMP_HEADER => Some(timestamp.as_str()),
                _ => None,
            };
            ingest
                .replay(header, delivery.body.as_bytes(), Timestamp::now())
                .await
                .unwrap();
        });
        futures_util::future::join_all(sent).await;
    }
    let head = plan.events() as u64;
    let is_folded = async || {
        let statuses = runner.statuses().await.unwrap();
        statuses.iter().all(|status| status.position >= head)
    };
    until("all views are folded", is_folded).await;
    shutdown.cancel();
    running.await.unwrap();
    core.close().await;

    let store = database.store().await;
    let log = sound_log(&*store).await;
    assert_eq!(log.len() as u64, head, "each event is recorded once");
    live_equals_rebuilt(&*store).await;
    let raw = Raw::connect(database).await;
    let mut rows = Rows::new();
    for projection in projections::all() {
        let mut own = raw.rows(*projection).await;
        own.iter_mut().for_each(|row| without_arrival(row, &log));
        rows.insert(projection.name(), own);
    }
    rows.insert("order_domains", raw.order_domains().await);
    rows
}

/// Removes values that depend on the time and order of arrival by design: the times of recording, and the link to the
/// event that was recorded first. Other positions become the ids of their events.
fn without_arrival(value: &mut Value, log: &[StoredEvent]) {
    match value {
        Value::Object(fields) => {
            for arrival in [
                "recorded",
                "recordedAt",
                "recorded_at",
                "first_recorded_at",
                "last_recorded_at",
                "first_position",
            ] {
                fields.remove(arrival);
            }
            if let Some(Value::Number(position)) = fields.get("position") {
                let id = id_at(position.as_u64().unwrap(), log);
                fields.insert("position".to_owned(), id);
            }
            fields.values_mut().for_each(|field| without_arrival(field, log));
        }
        // a stamp of time, rank and position
        Value::Array(items) if items.len() == 3 && items[0].is_string() && items[1].is_u64() => {
            items[2] = id_at(items[2].as_u64().unwrap(), log);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| without_arrival(item, log)),
        _ => {}
    }
}

fn id_at(position: u64, log: &[StoredEvent]) -> Value {
    let event = log.iter().find(|event| event.position == Position(position));
    event.unwrap().event_id.as_str().into()
}

fn same(ordered: &Rows, shuffled: &Rows) {
    for (projection, rows) in ordered {
        assert_eq!(rows.len(), shuffled[projection].len(), "{projection}");
        for (ordered, shuffled) in rows.iter().zip(&shuffled[projection]) {
            assert_eq!(ordered, shuffled, "{projection}");
        }
    }
}

fn by_key<'r>(rows: &'r Rows, projection: &str) -> BTreeMap<&'r str, &'r Value> {
    let rows = rows[projection].iter();
    rows.map(|row| (row["key"].as_str().unwrap(), row)).collect()
}

/// Checks that the rows match the provider's expectation.
///
/// An expiry date is compared with `stated_expiry`, not with `expiry_date`: a renewal in the short form of older
/// senders has no dates, so no webhook states until when such a subscription is paid.
fn means(rows: &Rows, expected: &Expected) {
    let (orders, domains) = (by_key(rows, "orders"), by_key(rows, "order_domains"));
    let (renewals, mailboxes) = (by_key(rows, "renewals"), by_key(rows, "mailboxes"));
    let opened: Vec<&ExpectedOrdinaryOrder> = expected.ordinary.iter().filter(|order| order.registered).collect();
    assert_eq!(orders.len(), expected.orders.len() + opened.len());
    let mut domain_count = opened.len();
    for order in &expected.orders {
        let row = orders[order.order_id.as_str()];
        assert_eq!(row["status"], serde_json::to_value(order.status()).unwrap());
        assert_eq!(row["user_id"], order.user_id.as_str());
        assert_eq!(row["service_provider"], order.provider.as_str());
        assert_eq!(row["domain_count"], order.domains.len());
        domain_count += order.domains.len();
        for domain in &order.domains {
            let row = domains[format!("{}/{}", order.order_id, domain.domain).as_str()];
            let (status, subscription, count, reason) = match &domain.outcome {
                DomainOutcome::Assigned(assigned) => {
                    let id = Value::from(assigned.subscription_id.as_str());
                    ("assigned", id, assigned.mailboxes.len(), Value::Null)
                }
                DomainOutcome::Failed { reason } => ("failed", Value::Null, 0, Value::from(*reason)),
            };
            assert_eq!(row["status"], status);
            assert_eq!(row["subscription_id"], subscription);
            assert_eq!(row["mailbox_count"], count);
            assert_eq!(row["reason"], reason);
            assert_eq!(mailboxes.contains_key(domain.domain.as_str()), status == "assigned");
        }
    }
    assert_eq!(domains.len(), domain_count);
    let accepted = opened.iter().filter(|order| order.subscription_id.is_some()).count();
    assert_eq!(renewals.len(), expected.subscriptions().count() + accepted);
    means_ordinary(rows, &opened);
    means_lives(rows, expected);
    for (domain, subscription) in expected.subscriptions() {
        let row = renewals[subscription.subscription_id.as_str()];
        assert_eq!(row["domain"], domain.as_str());
        assert_eq!(row["mailbox_count"], subscription.mailboxes.len());
        let expiry: Timestamp = row["expiry_date"].as_str().unwrap().parse().unwrap();
        assert_eq!(expiry, subscription.stated_expiry);
        let known = subscription.stated_expiry == subscription.expiry_date;
        assert!(
            row["expiry_known"] == known || row["expiry_known"] == i64::from(known),
            "{row}"
        );
        let status = match subscription.status {
            SubscriptionStatus::Active => "active",
            SubscriptionStatus::Cancelled => "cancelled",
            SubscriptionStatus::Expired => "expired",
            other => panic!("no plan ends in {other:?}"),
        };
        assert_eq!(row["status"], status);
        assert_eq!(row["renewals"], subscription.renewals);
        assert_eq!(row["failures"], subscription.renewal_failures);
        let auto_renew = &row["auto_renew"];
        let told = subscription.auto_renew;
        assert!(
            auto_renew.is_null() || *auto_renew == told || *auto_renew == i64::from(told),
            "{row}"
        );
    }
    let mut failures: Vec<(&str, &str)> = rows["failures"]
        .iter()
        .filter(|row| row["kind"] == "assignment")
        .map(|row| (row["domain"].as_str().unwrap(), row["reason"].as_str().unwrap()))
        .collect();
    let of_kind = |kind: &str| rows["failures"].iter().filter(|row| row["kind"] == kind).count();
    assert_eq!(of_kind("mailboxOrder"), opened.len() - accepted);
    assert_eq!(of_kind("quarantined"), 0);
    let mut meant: Vec<(&str, &str)> = expected
        .failures()
        .map(|(domain, reason)| (domain.as_str(), reason))
        .collect();
    failures.sort_unstable();
    meant.sort_unstable();
    assert_eq!(failures, meant);
}

/// Checks the ordinary orders whose domains could be registered.
fn means_ordinary(rows: &Rows, orders: &[&ExpectedOrdinaryOrder]) {
    let (found, domains) = (by_key(rows, "orders"), by_key(rows, "order_domains"));
    for order in orders {
        let status = match (&order.subscription_id, order.mailboxes.is_empty()) {
            (None, _) => "failed",
            (Some(_), true) => "pending",
            (Some(_), false) => "fulfilled",
        };
        assert_eq!(found[order.order_id.as_str()]["status"], status);
        let row = domains[format!("{}/{}", order.order_id, order.domain).as_str()];
        assert_eq!(row["mailbox_count"], order.mailboxes.len());
        let subscription = order.subscription_id.as_ref().map(|id| id.as_str());
        assert_eq!(row["subscription_id"].as_str(), subscription);
    }
}

/// Checks the registrations of domains, and the lives of mailboxes.
fn means_lives(rows: &Rows, expected: &Expected) {
    let (domains, accounts) = (by_key(rows, "domains"), by_key(rows, "accounts"));
    assert_eq!(
        domains.len(),
        expected.registrations.len() + expected.ordinary.len(),
        "registrations"
    );
    for registration in &expected.registrations {
        let row = domains[registration.domain.as_str()];
        assert_eq!(row["status"], serde_json::to_value(registration.status).unwrap());
        let end: Timestamp = row["expiry_date"].as_str().unwrap().parse().unwrap();
        assert_eq!(Some(end), registration.expiry_date);
        assert_eq!(row["dns_changed_at"].is_null(), registration.dns_changes == 0);
    }
    for order in &expected.ordinary {
        let status = if order.registered { "active" } else { "failed" };
        assert_eq!(domains[order.domain.as_str()]["status"], status);
    }
    for mailbox in &expected.mailboxes {
        let document = &accounts[mailbox.mailbox_id.as_str()]["document"];
        assert_eq!(document["exported"].is_null(), !mailbox.exported);
        assert_eq!(document["warmup"][1].as_bool(), mailbox.warmed_up);
        let changed = document["changed"]
            .as_array()
            .is_some_and(|kinds| kinds.contains(&"password".into()));
        assert_eq!(changed, mailbox.password_changed);
    }
}
