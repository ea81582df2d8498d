//! The changes of one row between two moments, and the events that made them: folded once, step by step.

use std::collections::{BTreeMap, BTreeSet};

use aggregates::{Position, Recorded};
use jiff::Timestamp;
use projections::AnyProjection;
use serde::Serialize;
use serde_json::Value;

use super::RunError;
use super::as_of::steps;
use super::erased::ErasedPositions;
use super::history::history;
use store::Store;

/// The changes of one row after one position and up to another.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// The projection.
    pub projection: &'static str,
    /// The row.
    pub key: String,
    /// The position before the changes.
    pub from: Position,
    /// The position after the changes.
    pub to: Position,
    /// The fields that an event changed, by path.
    pub changes: Vec<Change>,
}

/// A field that changed; before and after are equal if it was changed back.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The field's path in the row, e.g. `/domains/example.com/status`: a JSON Pointer (RFC 6901), except that list
    /// items are named by their `domain` or `mailboxId` if they have one, so that their paths are stable.
    pub path: String,
    /// Its value at `from`; null if it had none.
    pub before: Value,
    /// Its value at `to`; null if it has none.
    pub after: Value,
    /// The events that changed it, oldest first.
    pub events: Vec<ChangedBy>,
}

/// An event that changed a field.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangedBy {
    /// Its position.
    pub position: Position,
    /// The stored type of the event.
    #[serde(rename = "type")]
    pub type_name: String,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The sender's event id.
    pub event_id: String,
    /// The source that sent it.
    pub source: String,
    /// The field's value after the event; null if the event removed it.
    pub value: Value,
}

/// The changes of a projection's row after `from` and up to `to`; none if there was no such row until `to`.
///
/// # Errors
/// [`RunError`] if the store fails or an event cannot be folded.
pub async fn diff(
    store: &dyn Store,
    projection: &'static dyn AnyProjection,
    key: &str,
    from: Position,
    to: Position,
) -> Result<Option<Diff>, RunError> {
    let events = history(store, projection, key, to).await?;
    if events.is_empty() {
        return Ok(None);
    }
    let erased = ErasedPositions::of(store, projection, &events).await?;
    let events: Vec<&Recorded> = events.iter().collect();
    let first = events.partition_point(|event| event.position <= from);
    let mut changes = BTreeMap::new();
    let mut before: Option<Fields> = None;
    let mut later = events[first..].iter();
    steps(projection, key, &events, first, &erased, |row| {
        let after = row.as_ref().map(fields).unwrap_or_default();
        // the first row precedes all changes
        if let Some(before) = &before
            && let Some(event) = later.next()
        {
            note(&mut changes, event, before, &after);
        }
        before = Some(after);
    })?;
    Ok(Some(Diff {
        projection: projection.name(),
        key: key.to_owned(),
        from,
        to,
        changes: changes.into_values().collect(),
    }))
}

/// A row's values by path: see [`Change::path`].
pub type Fields = BTreeMap<String, Value>;

/// Adds the changes made by an event.
fn note(changes: &mut BTreeMap<String, Change>, event: &Recorded, before: &Fields, after: &Fields) {
    let paths = before
        .keys()
        .chain(after.keys().filter(|path| !before.contains_key(*path)));
    for path in paths {
        let (old, new) = (before.get(path), after.get(path));
        if old == new {
            continue;
        }
        let value = new.cloned().unwrap_or_default();
        let change = changes.entry(path.clone()).or_insert_with(|| Change {
            path: path.clone(),
            before: old.cloned().unwrap_or_default(),
            after: Value::Null,
            events: Vec::new(),
        });
        change.after = value.clone();
        change.events.push(ChangedBy {
            position: event.position,
            type_name: event.event.type_name().to_owned(),
            recorded_at: event.recorded_at,
            event_id: event.event_id.to_string(),
            source: event.source.to_string(),
            value,
        });
    }
}

/// The leaf values of a row; an empty list or object is a leaf.
pub fn fields(row: &Value) -> Fields {
    let mut found = Fields::new();
    collect(&mut found, String::new(), row);
    found
}

fn collect(found: &mut Fields, path: String, value: &Value) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, field) in fields {
                collect(found, format!("{path}/{}", escaped(name)), field);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let names: BTreeSet<&str> = items.iter().filter_map(name).collect();
            for (index, item) in items.iter().enumerate() {
                let name = name(item).filter(|_| names.len() == items.len());
                let name = name.map_or_else(|| index.to_string(), escaped);
                collect(found, format!("{path}/{name}"), item);
            }
        }
        leaf => {
            found.insert(path, leaf.clone());
        }
    }
}

/// The name of a list item: its mailbox id or domain.
fn name(item: &Value) -> Option<&str> {
    let by = |field: &str| item.get(field).and_then(Value::as_str);
    by("mailboxId").or_else(|| by("domain"))
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_named_by_json_pointers() {
        let row = json!({"a/b": [1, {"c~d": null}], "e": [], "f": "g"});
        let fields = fields(&row);
        let paths: Vec<&str> = fields.keys().map(String::as_str).collect();
        assert_eq!(paths, ["/a~1b/0", "/a~1b/1/c~0d", "/e", "/f"]);
        assert!(fields.iter().all(|(path, value)| row.pointer(path) == Some(value)));
    }
    #[test]
    fn items_of_a_list_keep_their_names_when_others_come_in() {
        let row = json!({"domains": [{"domain": "a.com", "count": 1}, {"domain": "b.com", "count": 2}]});
        assert_eq!(fields(&row)["/domains/b.com/count"], 2);
        let unnamed = json!([{"mailboxId": "M1"}, {"mailboxId": null}]);
        assert_eq!(fields(&unnamed)["/0/mailboxId"], "M1");
    }
}
