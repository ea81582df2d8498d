//! A row that cannot be folded stands still, tells so, and is mended by a retry; everything else goes on.

use projections::by_name;
use tokio_util::sync::CancellationToken;
use warmledger::runner::{check, retry};

use crate::on_both_stores;
use crate::support::{Database, fixture};

on_both_stores!(a_row_that_cannot_be_folded_is_parked_and_mended_by_a_retry);

async fn a_row_that_cannot_be_folded_is_parked_and_mended_by_a_retry(database: Database) {
    let store = database.store().await;
    let service = database.service().await;
    service.send(fixture("partial-failure.1.success.json")).await;
    service.caught_up(&*store, 1).await;
    database
        .execute("UPDATE orders_g1 SET document = '{\"broken\":true}'")
        .await;

    // the first of these touches the broken row, the second does not
    service.send(fixture("partial-failure.2.failed.json")).await;
    service.send(fixture("prewarmup.order.failed.json")).await;
    service.caught_up(&*store, 3).await;
    let orders = async |service: &crate::support::TestService| {
        let projections = service.get_json("/api/v1/projections").await;
        let found = projections["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|item| item["name"] == "orders");
        found.unwrap().clone()
    };
    let status = orders(&service).await;
    assert_eq!((&status["parked"], &status["lag"]), (&1.into(), &0.into()), "{status}");
    let other = service.get_json("/api/v1/orders/K57P9Y7T95M74ZPBRP9A415383AQ").await;
    assert_eq!(other["status"], "failed");
    let parked = store.parked().await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].name, "orders");
    assert_eq!(parked[0].parked.key, "PARTIALW3D76N6KGRQSG36SSHBXK");
    assert_eq!(parked[0].parked.position.0, 2);
    assert!(
        parked[0].parked.error.contains("cannot be read"),
        "{}",
        parked[0].parked.error
    );

    // folded anew from its events, it is as if nothing had been wrong
    let projection = by_name("orders").unwrap();
    let retried = retry(&*store, projection, None).await.unwrap();
    assert_eq!((retried.mended, retried.parked.len()), (1, 0));
    assert_eq!(orders(&service).await["parked"], 0);
    let mended = service.get_json("/api/v1/orders/PARTIALW3D76N6KGRQSG36SSHBXK").await;
    assert_eq!(mended["status"], "partial");
    let checked = check(&*store, projection, |_| {}, &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(checked.differences.len(), 0);
    service.stop().await;
}
