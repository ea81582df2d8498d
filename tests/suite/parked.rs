//! A row that cannot be folded is parked and reported, and a retry repairs it; all other rows are folded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aggregates::{OrderEvent, Position, Recorded};
use projections::testing::{assigned, failed};
use projections::{AnyProjection, Column, FoldError, Folded, Keys, Kind, OpenRow, Origin, Value, by_name};
use reqwest::Response;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use warmledger::runner::{self, Limits, RunError, retry};
use warmledger::store::{Advance, GenerationState, Parked, Store};

use crate::cli::program::Program;
use crate::conformance::projections::fill;
use crate::on_both_stores;
use crate::support::log::check;
use crate::support::{Database, TestService, fixture};

on_both_stores!(
    a_row_that_cannot_be_folded_is_parked_and_mended_by_a_retry,
    parked_rows_are_listed_and_mended_over_http,
    parked_rows_are_listed_and_mended_by_command,
    a_service_with_parked_rows_is_ready_as_it_is_set,
    a_fold_that_panics_parks_its_row_alone_and_is_mended_after_a_fix,
    a_fold_that_panics_late_in_a_rebuild_parks_its_row_as_it_was_before,
    a_row_that_is_mended_in_the_middle_of_a_step_misses_no_event,
    rows_of_another_version_are_not_tried,
);

const ORDER: &str = "PARTIALW3D76N6KGRQSG36SSHBXK";

/// A service in which an order's row is parked at its second event.
async fn with_parked_row(database: &Database, service: &TestService) -> Arc<dyn Store> {
    let store = database.store().await;
    service.send(fixture("partial-failure.1.success.json")).await;
    service.caught_up(&*store, 1).await;
    database
        .execute("UPDATE orders_g1 SET document = '{\"broken\":true}'")
        .await;
    // the first of these touches the broken row, the second does not
    service.send(fixture("partial-failure.2.failed.json")).await;
    service.send(fixture("prewarmup.order.failed.json")).await;
    service.caught_up(&*store, 3).await;
    store
}

async fn post(service: &TestService, path: &str) -> Response {
    let call = service.client.post(format!("{}{path}", service.base));
    call.bearer_auth(&service.token).send().await.unwrap()
}

async fn a_row_that_cannot_be_folded_is_parked_and_mended_by_a_retry(database: Database) {
    let service = database.service().await;
    let store = with_parked_row(&database, &service).await;
    let orders = async |service: &TestService| {
        let projections = service.get_json("/api/v1/projections").await;
        let items = projections["items"].as_array().unwrap();
        items.iter().find(|item| item["name"] == "orders").unwrap().clone()
    };
    let status = orders(&service).await;
    assert_eq!((&status["parked"], &status["lag"]), (&1.into(), &0.into()), "{status}");
    let other = service.get_json("/api/v1/orders/K57P9Y7T95M74ZPBRP9A415383AQ").await;
    assert_eq!(other["status"], "failed");
    let parked = runner::parked(&*store, None).await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].name, "orders");
    assert_eq!(parked[0].parked.key, ORDER);
    assert_eq!(parked[0].parked.position.0, 2);
    assert!(
        parked[0].parked.error.contains("cannot be read"),
        "{}",
        parked[0].parked.error
    );

    // folded anew from its events, the row is as if nothing had failed
    let projection = by_name("orders").unwrap();
    let retried = retry(&*store, projection, None).await.unwrap();
    assert_eq!((retried.mended, retried.parked.len()), (vec![ORDER.to_owned()], 0));
    assert_eq!(orders(&service).await["parked"], 0);
    let mended = service.get_json(&format!("/api/v1/orders/{ORDER}")).await;
    assert_eq!(mended["status"], "partial");
    assert_eq!(check(&*store, projection).await.differences.len(), 0);
    service.stop().await;
}

async fn parked_rows_are_listed_and_mended_over_http(database: Database) {
    let service = database.service().await;
    // without the lease; it takes the calls all the same
    let other = database.service().await;
    let store = with_parked_row(&database, &service).await;
    let page = other.get_json("/api/v1/projections/orders/parked").await;
    let item = &page["items"][0];
    assert_eq!((&item["key"], &item["position"]), (&json!(ORDER), &json!(2)));
    assert!(item["error"].as_str().unwrap().contains("cannot be read"), "{item}");
    item["since"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(page["next"], json!(null));
    assert_eq!(
        other.get_json("/api/v1/projections/renewals/parked").await,
        json!({"items": [], "next": null})
    );
    let metrics = other.get("/metrics").await.text().await.unwrap();
    assert!(
        metrics.contains("warmledger_projection_parked{projection=\"orders\"} 1"),
        "{metrics}"
    );

    let unknown = post(&other, "/api/v1/projections/orders/retry?key=nothing").await;
    assert_eq!(unknown.status(), 404);
    assert_eq!(post(&other, "/api/v1/projections/nonsense/retry").await.status(), 404);
    let response = post(&other, &format!("/api/v1/projections/orders/retry?key={ORDER}")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.json::<serde_json::Value>().await.unwrap(),
        json!({"mended": [ORDER], "parked": []})
    );
    assert_eq!(
        other.get_json("/api/v1/projections/orders/parked").await["items"],
        json!([])
    );
    assert_eq!(check(&*store, by_name("orders").unwrap()).await.differences.len(), 0);
    other.stop().await;
    service.stop().await;
}

async fn parked_rows_are_listed_and_mended_by_command(database: Database) {
    let service = database.service().await;
    with_parked_row(&database, &service).await;
    let program = Program::new(&database);
    let listed = program.run("projections parked --json").await;
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    let listed = listed.json();
    assert_eq!(
        (&listed[0]["projection"], &listed[0]["key"], &listed[0]["position"]),
        (&json!("orders"), &json!(ORDER), &json!(2))
    );
    let table = program.run("projections parked orders").await;
    assert!(table.stdout.contains(ORDER), "{}", table.stdout);
    assert_eq!(
        program.run("projections parked renewals --json").await.json(),
        json!([])
    );
    let statuses = program.run("projections status").await;
    assert!(statuses.stdout.starts_with("NAME"), "{}", statuses.stdout);

    let unknown = program.run("projections retry orders --key nothing").await;
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("is parked"), "{}", unknown.stderr);
    let retried = program.run("projections retry orders --json").await;
    assert_eq!(retried.code, 0, "{}", retried.stderr);
    assert_eq!(retried.json(), json!({"mended": [ORDER], "parked": []}));
    assert_eq!(program.run("projections parked --json").await.json(), json!([]));
    service.stop().await;
}

async fn a_service_with_parked_rows_is_ready_as_it_is_set(database: Database) {
    let service = database.service().await;
    with_parked_row(&database, &service).await;
    assert_eq!(
        service.get_json("/readyz").await,
        json!({"status": "ready", "parked": ["orders"]})
    );
    service.stop().await;
    let strict = database
        .service_with(|settings| settings.ready_with_parked = false)
        .await;
    let response = strict.get("/readyz").await;
    assert_eq!(response.status(), 503);
    let problem: serde_json::Value = response.json().await.unwrap();
    assert_eq!(problem["detail"], "projections: orders has 1 parked rows");
    post(&strict, "/api/v1/projections/orders/retry").await;
    assert_eq!(strict.get_json("/readyz").await, json!({"status": "ready"}));
    strict.stop().await;
}

/// Counts the webhooks of each order; while it is broken, it panics on a failure.
struct Counts {
    broken: Arc<AtomicBool>,
    /// The number of folded events, repeated folds included.
    folded: Arc<AtomicUsize>,
}

struct Count {
    broken: Arc<AtomicBool>,
    folded: Arc<AtomicUsize>,
    count: i64,
}

impl OpenRow for Count {
    fn apply(&mut self, _: &str, event: &Recorded) {
        let fails = matches!(event.order(), Some(OrderEvent::AssignmentFailed(_)));
        assert!(!(fails && self.broken.load(Ordering::SeqCst)), "broken on purpose");
        self.folded.fetch_add(1, Ordering::SeqCst);
        self.count += 1;
    }

    fn close(&self, _: &str) -> Result<Folded, FoldError> {
        Ok(Folded::Keep {
            document: self.count.to_string(),
            row: vec![Value::Integer(self.count)],
        })
    }
}

impl Counts {
    fn broken() -> &'static Self {
        Box::leak(Box::new(Self {
            broken: Arc::new(AtomicBool::new(true)),
            folded: Arc::default(),
        }))
    }
}

impl AnyProjection for Counts {
    fn name(&self) -> &'static str {
        "counts"
    }

    fn version(&self) -> u32 {
        1
    }

    fn columns(&self) -> &'static [Column] {
        const { &[Column::new("count", Kind::Integer)] }
    }

    fn keys(&self, event: &Recorded) -> Keys {
        match event.order() {
            Some(OrderEvent::MailboxesAssigned(facts)) => Keys::one(facts.order_id.as_str()),
            Some(OrderEvent::AssignmentFailed(facts)) => Keys::one(facts.order_id.as_str()),
            _ => Keys::none(),
        }
    }

    fn origin(&self, _: &str) -> Option<Origin> {
        Some(Origin::Log)
    }

    fn open(&self, _: &str, document: Option<&str>) -> Result<Box<dyn OpenRow>, FoldError> {
        Ok(Box::new(Count {
            broken: Arc::clone(&self.broken),
            folded: Arc::clone(&self.folded),
            count: document.map_or(0, |document| document.parse().unwrap()),
        }))
    }

    fn steps(
        &self,
        _: &str,
        events: &[&Recorded],
        first: usize,
        seen: &mut dyn FnMut(Option<serde_json::Value>),
    ) -> Result<(), FoldError> {
        (first..=events.len()).for_each(|count| seen(Some(count.into())));
        Ok(())
    }
}

async fn a_fold_that_panics_parks_its_row_alone_and_is_mended_after_a_fix(database: Database) {
    let service = database.service().await;
    let store = database.store().await;
    for name in [
        "partial-failure.1.success.json",
        "partial-failure.2.failed.json",
        "prewarmup.order.success.json",
    ] {
        service.send(fixture(name)).await;
    }
    service.stop().await;
    let counts = Counts::broken();
    let fold = || async {
        let none = CancellationToken::new();
        runner::rebuild(&store, &[counts as &dyn AnyProjection], |_| {}, &none)
            .await
            .unwrap();
    };
    fold().await;
    let live = async || {
        let generations = store.generations().await.unwrap();
        let found = generations
            .into_iter()
            .find(|found| found.name == "counts" && found.state == GenerationState::Live);
        found.unwrap()
    };
    let documents = async || {
        let keys = [ORDER, "WR3N4JEW3D76N6KGRQSG36SSHBXK"].map(str::to_owned);
        let mut documents = store.documents(&live().await, &keys).await.unwrap();
        documents.sort();
        documents.into_iter().map(|(_, document)| document).collect::<Vec<_>>()
    };
    assert_eq!(live().await.position, Position(3), "everything else goes on");
    // the row has the events before the failing one, though one step read both
    assert_eq!(documents().await, ["1", "1"]);
    let parked = runner::parked(&*store, Some("counts")).await.unwrap();
    assert_eq!((parked.len(), parked[0].parked.position), (1, Position(2)));
    assert!(parked[0].parked.error.contains("panicked"));

    // not fixed yet
    let retried = retry(&*store, counts, None).await.unwrap();
    assert_eq!((retried.mended.len(), retried.parked.len()), (0, 1));
    assert_eq!(retried.parked[0].position, Position(2));
    assert_eq!(runner::parked(&*store, Some("counts")).await.unwrap().len(), 1);
    // a rebuild fails at the same event, and gives the same rows
    assert_eq!(check(&*store, counts).await.differences.len(), 0);

    counts.broken.store(false, Ordering::SeqCst);
    let retried = retry(&*store, counts, None).await.unwrap();
    assert_eq!((retried.mended.len(), retried.parked.len()), (1, 0));
    assert_eq!(documents().await, ["2", "1"]);
    assert_eq!(check(&*store, counts).await.differences.len(), 0);
}

async fn a_fold_that_panics_late_in_a_rebuild_parks_its_row_as_it_was_before(database: Database) {
    let store = database.store().await;
    // many pages of events, all of which touch the same rows
    let mut events: Vec<Recorded> = (0..20_000)
        .map(|number| assigned(&format!("E{number}"), &format!("O{}", number % 50)).at(Position(0)))
        .collect();
    events.insert(12_007, failed("F", "O7").fails("a.com", "No reason").at(Position(0)));
    fill(&*store, events).await;
    let counts = Counts::broken();
    let none = CancellationToken::new();
    let limits = Limits {
        time: Duration::from_secs(3_600),
        ..Limits::REBUILD
    };
    runner::rebuild_within(&limits, &store, &[counts as &dyn AnyProjection], |_| {}, &none)
        .await
        .unwrap();
    let generations = store.generations().await.unwrap();
    let live = generations.iter().find(|found| found.name == "counts").unwrap();
    assert_eq!(live.position, Position(20_001));
    // only the parked row is folded again, twice
    let folded = counts.folded.load(Ordering::SeqCst);
    assert!((20_000..21_000).contains(&folded), "{folded}");
    let documents = async || {
        let keys = ["O6", "O7", "O8"].map(str::to_owned);
        let mut documents = store.documents(live, &keys).await.unwrap();
        documents.sort();
        documents.into_iter().map(|(_, document)| document).collect::<Vec<_>>()
    };
    assert_eq!(documents().await, ["400", "240", "400"]);
    let parked = runner::parked(&*store, Some("counts")).await.unwrap();
    assert_eq!((parked.len(), parked[0].parked.position), (1, Position(12_008)));
    assert_eq!(check(&*store, counts).await.differences.len(), 0);

    counts.broken.store(false, Ordering::SeqCst);
    assert_eq!(retry(&*store, counts, None).await.unwrap().mended, ["O7"]);
    assert_eq!(documents().await, ["400", "401", "400"]);
}

async fn a_row_that_is_mended_in_the_middle_of_a_step_misses_no_event(database: Database) {
    let service = database.service().await;
    let store = with_parked_row(&database, &service).await;
    service.stop().await;
    let orders = by_name("orders").unwrap();
    let generations = store.generations().await.unwrap();
    let live = generations.iter().find(|found| found.name == "orders").unwrap();
    // a step of a process that read the parked rows before the retry
    let step = Advance {
        from: live.clone(),
        columns: orders.columns(),
        to: Position(4),
        changes: Vec::new(),
        parked: Vec::<Parked>::new(),
        unparked: Vec::new(),
        skipped: vec![ORDER.to_owned()],
    };
    assert_eq!(retry(&*store, orders, None).await.unwrap().mended, [ORDER]);
    assert!(
        !store.advance(&[step], None).await.unwrap(),
        "it would have lost an event"
    );
    let generations = store.generations().await.unwrap();
    let live = generations.iter().find(|found| found.name == "orders").unwrap();
    assert_eq!(live.position, Position(3));
}

async fn rows_of_another_version_are_not_tried(database: Database) {
    let service = database.service().await;
    let store = with_parked_row(&database, &service).await;
    database
        .execute("UPDATE projection_generations SET version = 99 WHERE name = 'orders'")
        .await;
    let refused = retry(&*store, by_name("orders").unwrap(), None).await;
    assert!(matches!(refused, Err(RunError::OtherVersion("orders", 99, _))));
    let response = post(&service, "/api/v1/projections/orders/retry").await;
    assert_eq!(response.status(), 409);
    service.stop().await;
}
