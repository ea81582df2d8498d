//! Queries on the event log and on a projection's rows, independent of the stores' dialects.

use aggregates::{Position, StreamId, SubjectId};
use jiff::Timestamp;
use projections::{Column, Value};
use serde::{Deserialize, Serialize};

use super::{Generation, StoreError, generation::view_query};

/// Which events to read, in the order of their positions.
#[derive(Clone, Default)]
pub struct EventQuery {
    /// Only events after this position.
    pub after: Position,
    /// Only events up to this position.
    pub until: Option<Position>,
    /// At most so many events.
    pub limit: u32,
    /// Only events that match the filter.
    pub filter: EventFilter,
    /// Which parts to read of each.
    pub parts: Parts,
}

/// The parts of an event to read.
#[derive(Clone, Copy, Default)]
pub enum Parts {
    /// Neither sealed sections nor the leaf hash.
    #[default]
    Plain,
    /// The personal section too.
    Personal,
    /// The leaf hash too.
    Leaves,
    /// Everything: sealed sections and leaf hash.
    All,
}

impl Parts {
    /// The columns after the plain ones.
    pub(super) fn columns(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Personal => ", personal",
            Self::Leaves => ", leaf_hash",
            Self::All => ", personal, secrets, original, leaf_hash",
        }
    }
}

/// A filter on events: an event has to meet every condition. Without conditions every event matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EventFilter {
    /// Only events of one of these stored types; any type if the list is empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// Only events of streams of this category, the part of the name before the first `-`, e.g. `order`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// Only events of this stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamId>,
    /// Only events that are about this user, by the `userId` of an order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectId>,
}

impl EventFilter {
    pub(super) fn to_json(&self) -> Result<String, StoreError> {
        serde_json::to_string(self).map_err(|error| StoreError::Corrupt(format!("a consumer's filter: {error}")))
    }

    pub(super) fn from_json(text: &str) -> Result<Self, StoreError> {
        serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("a consumer's filter: {error}")))
    }
}

/// The part of a stream's name before the first `-`, e.g. `order`: 1 to 64 characters of `a`–`z`, `0`–`9` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Category(String);

impl Category {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names of its streams as a byte-wise range: from the first, up to but not including the second. `.` follows
    /// `-` in ASCII.
    pub(super) fn range(&self) -> (String, String) {
        (format!("{}-", self.0), format!("{}.", self.0))
    }
}

impl TryFrom<String> for Category {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
        if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text))
        } else {
            Err("has to be the part of a stream's name before the first -, e.g. order: a-z, 0-9 and _, at most 64")
        }
    }
}

impl From<Category> for String {
    fn from(category: Category) -> Self {
        category.0
    }
}

/// How a column is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Equal,
    /// At least.
    AtLeast,
    /// Less than.
    LessThan,
    /// In the list.
    OneOf,
    /// Among the values named by another projection's rows.
    NamedBy(NamedBy),
}

/// Selects rows of another projection by the value of one column; the values of a second column are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedBy {
    /// The other projection.
    pub projection: &'static str,
    /// The column that selects the rows.
    pub matching: &'static str,
    /// The column whose values are compared.
    pub names: &'static str,
}

/// One condition on a row.
#[derive(Clone, Debug)]
pub struct Condition {
    /// The column.
    pub column: &'static str,
    /// How it is compared.
    pub comparison: Comparison,
    /// The values to compare with: one; for [`Comparison::OneOf`] any number; for [`Comparison::NamedBy`] first the
    /// value that selects the rows, then further values that the column may have.
    pub values: Vec<Value>,
}

impl Condition {
    /// The column equals the value.
    pub fn equal(column: &'static str, value: impl Into<String>) -> Self {
        Self {
            column,
            comparison: Comparison::Equal,
            values: vec![Value::Text(value.into())],
        }
    }
}

/// The order of rows: by a column that is never null (`key` is allowed), then by key; both in the same direction.
#[derive(Clone, Copy, Debug)]
pub struct SortOrder {
    /// The column.
    pub column: &'static str,
    /// Greatest first.
    pub descending: bool,
}

/// Which rows of a projection to read.
#[derive(Clone, Debug)]
pub struct RowQuery {
    /// The projection, also the name of its stable view.
    pub projection: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
    /// The conditions, all of which have to hold.
    pub conditions: Vec<Condition>,
    /// Groups of further conditions: of each group at least one has to hold.
    pub either: Vec<Vec<Condition>>,
    /// The order.
    pub order: SortOrder,
    /// Only rows after this place in the order: the value of the order's column, and the key.
    pub after: Option<(Value, String)>,
    /// At most so many rows.
    pub limit: u32,
    /// Generations to read in place of the live ones, at most one for each projection.
    pub generations: Vec<Generation>,
}

impl RowQuery {
    /// The table that a projection is read from: a generation's rows, or the stable view of the live one.
    pub(super) fn table(&self, projection: &str) -> String {
        let chosen = self.generations.iter().find(|chosen| chosen.name == projection);
        let columns = projections::by_name(projection).map_or(self.columns, |known| known.columns());
        match chosen {
            Some(chosen) => format!("({}) AS {projection}", view_query(chosen, columns)),
            None => projection.to_owned(),
        }
    }

    fn usual(&self, column: &str) -> Option<&'static str> {
        self.columns.iter().find(|known| known.name == column)?.usual
    }

    /// The kind of a column.
    pub(super) fn kind(&self, column: &str) -> projections::Kind {
        let found = self.columns.iter().find(|candidate| candidate.name == column);
        found.map_or(projections::Kind::Text, |column| column.kind)
    }
}

/// One row of a projection.
#[derive(Clone, Debug)]
pub struct StoredRow {
    /// Its key.
    pub key: String,
    /// The view as JSON.
    pub document: String,
    /// The value of the order's column, for the cursor of the next page.
    pub order: Value,
}

/// How many rows have a value.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Count {
    /// The value; none for null.
    pub value: Option<String>,
    /// How many rows.
    pub count: i64,
}

/// The columns of [`RowStore::sums`].
#[derive(Clone, Copy, Debug)]
pub struct SumColumns {
    /// The rows are grouped by it.
    pub of_each: &'static str,
    /// Its different values are counted.
    pub distinct: &'static str,
    /// It is summed up: an integer.
    pub sum: &'static str,
    /// Its least value is looked for: a timestamp.
    pub least: &'static str,
}

/// What is known together of the rows that have a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// The value; none for null.
    pub value: Option<String>,
    /// How many different values of a column.
    pub distinct: i64,
    /// The sum of another.
    pub sum: i64,
    /// The least value of another column.
    pub least: Option<Timestamp>,
}

/// The `WHERE` clause of a query with numbered parameters, and their values. Both stores write `$1, $2, …`.
pub(super) fn where_clause(query: &RowQuery) -> (String, Vec<Value>) {
    let mut values = Vec::new();
    let mut parameter = |value: &Value| {
        values.push(value.clone());
        format!("${}", values.len())
    };
    let mut parts: Vec<String> = query
        .conditions
        .iter()
        .map(|condition| condition_sql(query, condition, &mut parameter))
        .collect();
    for group in &query.either {
        let either: Vec<String> = group
            .iter()
            .map(|condition| condition_sql(query, condition, &mut parameter))
            .collect();
        parts.push(match either.is_empty() {
            true => "1 = 0".to_owned(),
            false => format!("({})", either.join(" OR ")),
        });
    }
    if let Some((value, key)) = &query.after {
        let sign = if query.order.descending { '<' } else { '>' };
        let (value, key) = (parameter(value), parameter(&Value::Text(key.clone())));
        parts.push(format!("({}, key) {sign} ({value}, {key})", query.order.column));
    }
    let clause = if parts.is_empty() {
        String::new()
    } else {
        format!("WHERE {}", parts.join(" AND "))
    };
    (clause, values)
}

/// One condition, with its values as parameters.
fn condition_sql(query: &RowQuery, condition: &Condition, parameter: &mut impl FnMut(&Value) -> String) -> String {
    let Condition {
        column,
        comparison,
        values,
    } = condition;
    let list = values.iter().map(parameter).collect::<Vec<_>>().join(", ");
    match comparison {
        Comparison::Equal => match query.usual(column) {
            // a partial index without the usual value is used only if the query excludes that value
            Some(usual) if *values != [Value::Text(usual.to_owned())] => {
                format!("{column} = {list} AND {column} <> '{usual}'")
            }
            _ => format!("{column} = {list}"),
        },
        Comparison::AtLeast => format!("{column} >= {list}"),
        Comparison::LessThan => format!("{column} < {list}"),
        Comparison::OneOf if values.is_empty() => "1 = 0".to_owned(),
        Comparison::OneOf => format!("{column} IN ({list})"),
        Comparison::NamedBy(NamedBy {
            projection,
            matching,
            names,
        }) => {
            let table = query.table(projection);
            let (first, more) = list.split_once(", ").unwrap_or((&list, ""));
            let named = format!("{column} IN (SELECT {names} FROM {table} WHERE {matching} = {first})");
            match more {
                "" => named,
                more => format!("({named} OR {column} IN ({more}))"),
            }
        }
    }
}

topic! {
    /// The part of a [`Store`](super::Store) that reads the projections' rows.
    pub trait RowStore {
        /// Rows of a projection: of its live generation, unless the query names another.
        async fn rows(&self, query: &RowQuery) -> Result<Vec<StoredRow>, StoreError>;

        /// How many rows there are for each value of a column, most first.
        async fn counts(&self, query: &RowQuery, column: &'static str) -> Result<Vec<Count>, StoreError>;

        /// For each value of a column: how many different values another one has, the sum of an integer column, and the
        /// least moment of one more.
        async fn sums(&self, query: &RowQuery, columns: SumColumns) -> Result<Vec<Sum>, StoreError>;
    }
}
