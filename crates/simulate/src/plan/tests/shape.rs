//! The generated bodies compared with the provider's own samples.

use super::*;

/// Asserts that two values have the same fields in the same order at every level, and the same types of values.
fn assert_same_shape(ours: &str, theirs: &str, context: &str) {
    let strip = |text: &str| {
        let value: Value = serde_json::from_str(text).unwrap();
        let mut shape = Vec::new();
        shape_of(&value, "", &mut shape);
        shape.sort();
        shape.dedup();
        shape
    };
    assert_eq!(strip(ours), strip(theirs), "{context}");
}

fn shape_of(value: &Value, path: &str, shape: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, value)| shape_of(value, &format!("{path}.{name}"), shape)),
        Value::Array(items) => items
            .iter()
            .for_each(|value| shape_of(value, &format!("{path}[]"), shape)),
        Value::String(_) => shape.push(format!("{path}: text")),
        Value::Number(_) => shape.push(format!("{path}: number")),
        Value::Bool(_) => shape.push(format!("{path}: bool")),
        Value::Null => shape.push(format!("{path}: null")),
    }
}

/// The names of the fields in the order of the text.
fn field_order(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for part in text.replace("\": ", "\":").split("\":") {
        let name = part.rsplit('"').next().unwrap_or_default().to_owned();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.pop();
    names
}

#[test]
fn every_body_has_the_shape_of_the_providers() {
    let plan = Plan::new(&Options {
        shuffle: false,
        ..busy()
    });
    let mut seen = HashMap::new();
    for delivery in &plan.deliveries {
        let value = parse(delivery);
        assert_eq!(value["event"], delivery.event);
        assert_eq!(value["eventId"], delivery.event_id.as_str());
        let legacy = delivery.event == "subscription.renewal.success" && value["data"]["domain"].is_null();
        let name = format!("{}{}", delivery.event, if legacy { ".legacy" } else { "" });
        let path = format!(
            "{}/../../tests/fixtures/webhooks/{name}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let theirs = seen
            .entry(name.clone())
            .or_insert_with(|| std::fs::read_to_string(path).unwrap());
        assert_same_shape(&delivery.body, theirs, &name);
        assert_eq!(field_order(&delivery.body), field_order(theirs), "{name}");
    }
    let mut seen: Vec<&str> = seen.keys().map(String::as_str).collect();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            "prewarmup.order.failed",
            "prewarmup.order.success",
            "subscription.cancelled",
            "subscription.expired",
            "subscription.past_due",
            "subscription.renewal.failed",
            "subscription.renewal.success",
            "subscription.renewal.success.legacy",
            "subscription.renewing",
            "subscription.updated",
        ]
    );
}
