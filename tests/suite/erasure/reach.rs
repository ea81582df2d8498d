//! Webhooks that came in before their user was known are erased with that user, and no others are.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{assignment, erase};
use crate::on_both_stores;
use crate::support::Database;
use crate::support::log::all_events;

on_both_stores!(streams_without_a_user_are_erased_with_the_user_that_they_are_about);

fn webhook(event: &str, id: &str, data: &Value) -> String {
    json!({"event": event, "eventId": id, "data": data}).to_string()
}

async fn streams_without_a_user_are_erased_with_the_user_that_they_are_about(database: Database) {
    let service = database.service().await;
    let renewal = |id: &str, subscription: &str| {
        let data = json!({"subscriptionId": subscription, "userEmail": "jane@planted.example"});
        webhook("subscription.renewal.success", id, &data)
    };
    let created = |id: &str, mailbox: &str, subscription: &str| {
        let data = json!({"mailboxId": mailbox, "subscriptionId": subscription, "email": "jane@planted.example"});
        webhook("mailbox.created", id, &data)
    };
    let updated = |id: &str, mailbox: &str| {
        let fields = json!({"password": "rotated", "email": "jane@planted.example"});
        webhook(
            "mailbox.updated",
            id,
            &json!({"mailboxId": mailbox, "updatedFields": fields}),
        )
    };
    let about = [
        // a renewal before its order
        renewal("R1", "S-O1"),
        // a new password of a mailbox of the order
        updated("N1", "M-O1"),
        // a mailbox reached only through a stream without a user, and its new password
        created("C1", "M9", "S-O1"),
        updated("N2", "M9"),
        // an order that names its user later
        webhook(
            "prewarmup.order.failed",
            "F1",
            &json!({"orderId": "O3", "failedOrders": []}),
        ),
        webhook(
            "prewarmup.order.failed",
            "F2",
            &json!({"orderId": "O3", "userId": "U1", "failedOrders": []}),
        ),
        // broken, and unrecognised, with the user somewhere in the text
        r#"{"event":"prewarmup.order.success","eventId":"B1","data":{"userId":"U1","email":"jane@pla"#.to_owned(),
        webhook(
            "account.merged",
            "A1",
            &json!({"into": {"user": "U1"}, "email": "jane@planted.example"}),
        ),
        // without the user, but with an order, a subscription, a mailbox, or a known address of theirs
        r#"{"event":"mailbox.updated","eventId":"B3","data":{"orderId":"order-1","password":"secret-3","#.to_owned(),
        r#"{"event":"mailbox.updated","eventId":"B4","data":{"subscriptionId":"S-order-1","password":"secret-4","#
            .to_owned(),
        r#"{"event":"mailbox.updated","eventId":"B5","data":{"mailboxId":"M-order-1","password":"secret-5","#
            .to_owned(),
        r#"{"event":"mailbox.updated","eventId":"B6","data":{"email":"Jane@planted.example","password":"secret-6","#
            .to_owned(),
    ];
    let others = [
        renewal("R2", "S-O2"),
        updated("N3", "M-O2"),
        r#"{"event":"prewarmup.order.success","eventId":"B2","data":{"userId":"U2","email":"joe@pla"#.to_owned(),
        webhook(
            "account.merged",
            "A2",
            &json!({"into": {"user": "U11"}, "email": "joe@planted.example"}),
        ),
        // prefixes of other ids and addresses, and a domain alone
        r#"{"event":"mailbox.updated","eventId":"B7","data":{"mailboxId":"M-order-11","orderId":"order-1"#.to_owned(),
        r#"{"event":"mailbox.updated","eventId":"B8","data":{"email":"mary-jane@planted.example","domain":"order-1.example","#
            .to_owned(),
    ];
    let mut wanted = BTreeSet::new();
    for body in about.iter().chain(&others) {
        service.send(body.clone()).await;
    }
    service.send(assignment("E1", "U1", "O1", "secret")).await;
    service.send(assignment("E3", "U1", "order-1", "secret")).await;
    service.send(assignment("E2", "U2", "O2", "secret")).await;
    let store = database.store().await;
    let events = all_events(&*store).await;
    wanted.extend(events[..about.len()].iter().map(|event| event.subject.to_string()));
    assert!(
        wanted.contains("~order-O3") && wanted.contains("U1") && wanted.len() == 11,
        "{wanted:?}"
    );

    let erased = erase(&service, "U1").await;
    let erased = erased["subjects"].as_array().unwrap();
    let erased: BTreeSet<String> = erased.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    assert_eq!(erased, wanted);
    for state in store.all_subjects(None, 500).await.unwrap() {
        let name = state.subject.to_string();
        assert_eq!(state.has_key, !wanted.contains(&name), "{name}");
    }
    service.stop().await;
}
