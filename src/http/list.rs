//! Lists: `{"items": […], "next": "<cursor>"|null}`.
//!
//! A cursor is the place of the last item in the list's order, so what comes in between two pages neither repeats nor
//! hides an item. Callers are to treat it as opaque.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jiff::tz::Offset;
use projections::{Kind, Projection, Value};
use serde::Serialize;

use super::Problem;
use super::extract::Limit;
use crate::store::{Comparison, Condition, GenerationState, Order, RowQuery, Store, StoreError, StoredRow};

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
pub(super) struct Conditions(Vec<Condition>);

impl Conditions {
    /// Adds one if there is a value.
    pub(super) fn and(mut self, column: &'static str, comparison: Comparison, value: Option<impl Into<Value>>) -> Self {
        let condition = |value: Value| Condition {
            column,
            comparison,
            values: vec![value],
        };
        self.0.extend(value.map(Into::into).map(condition));
        self
    }

    /// Adds that the column has this value, if there is one.
    pub(super) fn equal(self, column: &'static str, value: Option<impl Into<Value>>) -> Self {
        self.and(column, Comparison::Equal, value)
    }
}

/// A query of the projection `P`.
pub(super) fn query<P: Projection>(conditions: Conditions, order: Order, limit: u32) -> RowQuery {
    RowQuery {
        projection: P::NAME,
        columns: P::COLUMNS,
        conditions: conditions.0,
        order,
        after: None,
        limit,
    }
}

/// A page of the rows of `P`.
pub(super) async fn rows<P: Projection>(
    store: &dyn Store,
    conditions: Conditions,
    order: Order,
    limit: Option<Limit>,
    after: Option<&str>,
) -> Result<Rows<P::View>, Problem> {
    let limit = limit.unwrap_or_default().get();
    // one more than asked for tells whether there is a next page
    let mut query = query::<P>(conditions, order, limit + 1);
    query.after = after.map(|cursor| decode::<P>(cursor, order)).transpose()?;
    let mut rows = store.rows(&query).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let last = rows.last().filter(|_| more);
    let next = last.map(|row| encode(P::NAME, &row.order, &row.key));
    Ok(Rows {
        rows: views::<P>(store, rows).await?,
        next,
    })
}

/// The view of one key.
pub(super) async fn row<P: Projection>(store: &dyn Store, key: &str) -> Result<Option<P::View>, Problem> {
    let order = Order {
        column: "key",
        descending: false,
    };
    let conditions = Conditions::default().equal("key", Some(key));
    let rows = store.rows(&query::<P>(conditions, order, 1)).await?;
    Ok(views::<P>(store, rows).await?.pop().map(|(_, view)| view))
}

/// Reads the views of rows.
pub(super) async fn views<P: Projection>(
    store: &dyn Store,
    rows: Vec<StoredRow>,
) -> Result<Vec<(String, P::View)>, Problem> {
    let read = |row: StoredRow| Ok((row.key, serde_json::from_str(&row.document)?));
    let error = match rows.into_iter().map(read).collect::<serde_json::Result<_>>() {
        Ok(views) => return Ok(views),
        Err(error) => error,
    };
    let error = StoreError::Corrupt(format!("a row of {}: {error}", P::NAME));
    Err(unreadable(store, P::NAME, P::VERSION, error).await)
}

/// Why the rows of a projection cannot be read: most likely another version has made them.
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

/// A value as JSON has it.
pub(super) fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Text(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Timestamp(moment) => moment.to_string().into(),
        Value::Boolean(flag) => (*flag).into(),
        Value::Date(date) => date.to_string().into(),
    }
}

/// The cursor of a place in a list: the value of the order's column, and the key.
pub(super) fn encode(list: &str, order: &Value, key: &str) -> String {
    let place = serde_json::json!([list, to_json(order), key]);
    BASE64_URL_SAFE_NO_PAD.encode(place.to_string())
}

/// The key in a cursor of a list that is in the order of its keys.
pub(super) fn key_in(cursor: &str, list: &str) -> Result<String, Problem> {
    place(cursor, list, Kind::Text)
        .map(|(_, key)| key)
        .ok_or_else(not_a_cursor)
}

fn not_a_cursor() -> Problem {
    Problem::bad_request("query parameter after: is not a cursor that this list has given out as `next`")
}

fn decode<P: Projection>(cursor: &str, order: Order) -> Result<(Value, String), Problem> {
    let column = P::COLUMNS.iter().find(|column| column.name == order.column);
    let kind = column.map_or(Kind::Text, |column| column.kind);
    place(cursor, P::NAME, kind).ok_or_else(not_a_cursor)
}

fn place(cursor: &str, list: &str, kind: Kind) -> Option<(Value, String)> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (name, value, key): (String, serde_json::Value, String) = serde_json::from_slice(&bytes).ok()?;
    let value = match kind {
        Kind::Text => Value::Text(value.as_str()?.to_owned()),
        Kind::Integer => Value::Integer(value.as_i64()?),
        Kind::Timestamp => {
            // the range that every store takes
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
        let cursor = encode("orders", &Value::Integer(7), "O/1");
        assert_eq!(
            place(&cursor, "orders", Kind::Integer),
            Some((Value::Integer(7), "O/1".to_owned()))
        );
        assert_eq!(place(&cursor, "renewals", Kind::Integer), None);
        assert_eq!(place(&cursor, "orders", Kind::Timestamp), None);
        assert_eq!(place("nonsense", "orders", Kind::Integer), None);
        let early = BASE64_URL_SAFE_NO_PAD.encode(r#"["renewals","-009999-01-02T01:59:59Z","x"]"#);
        assert_eq!(place(&early, "renewals", Kind::Timestamp), None);
    }
}
