//! Lists: `{"items": […], "next": "<cursor>"|null}`.
//!
//! A cursor is the place of the last item in the list's order, so items that are added between two pages neither repeat
//! nor hide one. A cursor of an answer as of an earlier moment pins that moment for the next pages. Callers treat
//! cursors as opaque.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jiff::tz::Offset;
use projections::{Kind, Projection, Value};
use serde::Serialize;

use super::Problem;
use super::extract::{Range, Words};
use store::{Comparison, Condition, GenerationState, RowQuery, SortOrder, Store, StoreError, StoredRow};

/// A page of a list.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Page<T> {
    /// The items.
    pub(super) items: Vec<T>,
    /// What to send as `after` for the next page; null where there is none.
    pub(super) next: Option<String>,
}

/// A page of a projection's rows.
pub(super) struct Rows<V> {
    /// Keys and views.
    pub(super) rows: Vec<(String, V)>,
    /// The cursor of the next page.
    pub(super) next: Option<String>,
}

impl<V> Rows<V> {
    /// The page as the caller gets it.
    pub(super) fn into_page<T>(self, item: impl FnMut((String, V)) -> T) -> Page<T> {
        Page {
            items: self.rows.into_iter().map(item).collect(),
            next: self.next,
        }
    }
}

/// The conditions of a list: only those of the parameters that were given.
#[derive(Default)]
pub(super) struct Conditions {
    all: Vec<Condition>,
    either: Vec<Vec<Condition>>,
}

impl Conditions {
    /// Adds a condition if there is a value.
    pub(super) fn and(mut self, column: &'static str, comparison: Comparison, value: Option<impl Into<Value>>) -> Self {
        let condition = |value: Value| Condition {
            column,
            comparison,
            values: vec![value],
        };
        self.all.extend(value.map(Into::into).map(condition));
        self
    }

    /// Adds the condition if there is one.
    pub(super) fn also(mut self, condition: Option<Condition>) -> Self {
        self.all.extend(condition);
        self
    }

    /// Adds that the column equals the word, if there is one, in its usual spellings of upper and lower case.
    pub(super) fn in_any_case(mut self, column: &'static str, word: Option<Words>) -> Self {
        self.all.extend(word.map(|word| Condition {
            column,
            comparison: Comparison::OneOf,
            values: cases(&word.0),
        }));
        self
    }

    /// Adds that at least one of some conditions holds, if they are given; of none, none holds.
    pub(super) fn either(mut self, conditions: Option<Vec<Condition>>) -> Self {
        self.either.extend(conditions);
        self
    }

    /// Adds that the column's time is in a range; either end may be open.
    pub(super) fn between(self, column: &'static str, range: Range) -> Self {
        self.and(column, Comparison::AtLeast, range.from)
            .and(column, Comparison::LessThan, range.to)
    }

    /// Adds that the column has one of the values, if there are any.
    pub(super) fn one_of(mut self, column: &'static str, values: Option<Vec<Value>>) -> Self {
        self.all.extend(values.map(|values| Condition {
            column,
            comparison: Comparison::OneOf,
            values,
        }));
        self
    }

    /// Adds that the column equals the value, if there is one.
    pub(super) fn equal(self, column: &'static str, value: Option<impl Into<Value>>) -> Self {
        self.and(column, Comparison::Equal, value)
    }
}

/// A word as given, in capitals, in lower case, and capitalised. Equality can use an index.
fn cases(word: &str) -> Vec<Value> {
    let lower = word.to_lowercase();
    let mut letters = lower.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    let capital = first.unwrap_or_default() + letters.as_str();
    let cases = BTreeSet::from([word.to_owned(), word.to_uppercase(), capital, lower]);
    cases.into_iter().map(Value::Text).collect()
}

/// Sorts by a column, the least first.
pub(super) fn ascending(column: &'static str) -> SortOrder {
    SortOrder {
        column,
        descending: false,
    }
}

/// Sorts by a column, the greatest first.
pub(super) fn descending(column: &'static str) -> SortOrder {
    SortOrder {
        column,
        descending: true,
    }
}

/// A query of the projection `P`.
pub(super) fn query<P: Projection>(conditions: Conditions, order: SortOrder, limit: u32) -> RowQuery {
    RowQuery {
        projection: P::NAME,
        columns: P::COLUMNS,
        conditions: conditions.all,
        either: conditions.either,
        order,
        after: None,
        limit,
        generations: Vec::new(),
    }
}

/// Truncates the items to a page. The query has read one item more than `limit` if there is a next page; the last item
/// of this page is returned then.
pub(super) fn cut<T>(items: &mut Vec<T>, limit: u32) -> Option<&T> {
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    items.last().filter(|_| more)
}

/// A page of the rows of `P`, at most `limit`; the query itself asks for one more.
pub(super) async fn rows<P: Projection>(
    store: &dyn Store,
    mut query: RowQuery,
    limit: u32,
    after: Option<&str>,
    pin: Option<Pin>,
) -> Result<Rows<P::View>, Problem> {
    query.after = after.map(|cursor| decode::<P>(cursor, query.order)).transpose()?;
    let mut rows = store.rows(&query).await?;
    let next = cut(&mut rows, limit).map(|row| encode(P::NAME, &row.order, &row.key, pin));
    Ok(Rows {
        rows: views::<P>(store, rows).await?,
        next,
    })
}

/// Parses the views of rows.
pub(super) async fn views<P: Projection>(
    store: &dyn Store,
    rows: Vec<StoredRow>,
) -> Result<Vec<(String, P::View)>, Problem> {
    let read = |row: StoredRow| Ok((row.key, projections::document::read(&row.document)?));
    let error = match rows.into_iter().map(read).collect::<serde_json::Result<_>>() {
        Ok(views) => return Ok(views),
        Err(error) => error,
    };
    let error = StoreError::Corrupt(format!("a row of {}: {error}", P::NAME));
    Err(unreadable(store, P::NAME, P::VERSION, error).await)
}

/// Why the rows of a projection cannot be read: most likely another version has written them.
pub(super) async fn unreadable(store: &dyn Store, name: &str, version: u32, error: StoreError) -> Problem {
    let generations = match store.generations().await {
        Ok(generations) => generations,
        Err(error) => return error.into(),
    };
    let stale = generations
        .iter()
        .any(|found| found.name == name && found.state == GenerationState::Live && found.version != version);
    if stale {
        return Problem::unavailable(format!(
            "the rows of {name} were made by another version and are being rebuilt; try again later"
        ));
    }
    error.into()
}

/// A cursor: the value of the order's column, the key, and the pin.
pub(super) fn encode(list: &str, order: &Value, key: &str, pin: Option<Pin>) -> String {
    let cursor: Cursor = (list.to_owned(), order.to_json(), key.to_owned(), pin);
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::json!(cursor).to_string())
}

/// Pins an answer as of an earlier moment: the moment asked for, and its position.
pub(super) type Pin = (String, u64);

/// The list, the value of its order's column, the key, and the pin.
type Cursor = (String, serde_json::Value, String, Option<Pin>);

fn parse(cursor: &str) -> Option<Cursor> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// The pin in a cursor, if its answer was as of an earlier moment.
pub(super) fn pin(cursor: &str) -> Option<Pin> {
    parse(cursor)?.3
}

/// The key in a cursor of a list that is sorted by key.
pub(super) fn key_in(cursor: &str, list: &str) -> Result<String, Problem> {
    place(cursor, list, Kind::Text)
        .map(|(_, key)| key)
        .ok_or_else(not_a_cursor)
}

/// The cursor is not one of this list.
pub(super) fn not_a_cursor() -> Problem {
    Problem::bad_request("query parameter after: is not a cursor that this list has given out as `next`")
}

fn decode<P: Projection>(cursor: &str, order: SortOrder) -> Result<(Value, String), Problem> {
    let column = P::COLUMNS.iter().find(|column| column.name == order.column);
    let kind = column.map_or(Kind::Text, |column| column.kind);
    place(cursor, P::NAME, kind).ok_or_else(not_a_cursor)
}

/// The place in a cursor of a list whose order has values of this kind.
pub(super) fn place(cursor: &str, list: &str, kind: Kind) -> Option<(Value, String)> {
    let (name, value, key, _) = parse(cursor)?;
    let value = match kind {
        Kind::Text => Value::Text(value.as_str()?.to_owned()),
        Kind::Integer => Value::Integer(value.as_i64()?),
        Kind::Timestamp => {
            // the range that both stores support
            let moment: Timestamp = value.as_str()?.parse().ok()?;
            (0..=9999)
                .contains(&Offset::UTC.to_datetime(moment).year())
                .then_some(Value::Timestamp(moment))?
        }
        Kind::Boolean => Value::Boolean(value.as_bool()?),
        Kind::Date => Value::Date(value.as_str()?.parse().ok()?),
    };
    let plain = |text: &str| !text.contains('\0');
    let storable = plain(&key) && !matches!(&value, Value::Text(text) if !plain(text));
    (name == list && storable).then_some((value, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place_in_its_own_list_only() {
        let order = Value::Integer(7);
        let pinned = Some(("2026-01-01T00:00:00Z".to_owned(), 3));
        assert_eq!(pin(&encode("orders", &order, "O/1", pinned.clone())), pinned);
        let cursor = encode("orders", &order, "O/1", None);
        assert_eq!(pin(&cursor), None);
        assert_eq!(
            place(&cursor, "orders", Kind::Integer),
            Some((Value::Integer(7), "O/1".to_owned()))
        );
        assert_eq!(place(&cursor, "renewals", Kind::Integer), None);
        assert_eq!(place(&cursor, "orders", Kind::Timestamp), None);
        assert_eq!(place("nonsense", "orders", Kind::Integer), None);
        let early = BASE64_URL_SAFE_NO_PAD.encode(r#"["renewals","-009999-01-02T01:59:59Z","x",null]"#);
        assert_eq!(place(&early, "renewals", Kind::Timestamp), None);
    }
}
