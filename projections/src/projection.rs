//! The trait of a projection: which rows an event touches, how it changes them, and the columns that SQL sees.

use std::slice;

use aggregates::{Domain, EventId, OrderId, Recorded, Source, SubscriptionId};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Map;

/// A read model: a fold over recorded events, one view per key.
///
/// All functions are pure, and the view of a key has to be the same for any order of arrival of its events.
pub trait Projection: 'static {
    /// Its name, also of its table, its URL and its file.
    const NAME: &'static str;

    /// Its version. To be incremented with every change of the view, the columns or the fold: the projection is then
    /// rebuilt beside the old rows, and switched over when it has caught up.
    const VERSION: u32;

    /// Its typed SQL columns, in the order of [`Projection::columns`].
    const COLUMNS: &'static [Column];

    /// The view of a key, stored as JSON. Without floating-point numbers, so that equal views are equal texts.
    type View: Default + Serialize + DeserializeOwned + Clone + PartialEq + Send;

    /// The keys of the rows that the event touches.
    fn keys(event: &Recorded) -> Keys;

    /// The origin of a row's events: answers as of an earlier moment fold just those. None if the text is not a key of
    /// this projection.
    fn origin(key: &str) -> Option<Origin>;

    /// Folds one event into the view of one of its keys. A view that did not exist yet is the default one.
    fn apply(view: &mut Self::View, key: &str, event: &Recorded) -> Verdict;

    /// The view as SQL sees it, in the order of [`Projection::COLUMNS`].
    fn columns(view: &Self::View, key: &str) -> Row;

    /// The view as readers see it, for answers as of an earlier moment and for diffs: its columns, unless overridden.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    fn item(view: &Self::View, key: &str) -> serde_json::Result<serde_json::Value> {
        let columns = Self::COLUMNS.iter().zip(Self::columns(view, key));
        let fields: Map<_, _> = columns
            .map(|(column, value)| (camel_case(column.name), value.to_json()))
            .collect();
        Ok(fields.into())
    }
}

/// The JSON field name of a column.
fn camel_case(column: &str) -> String {
    let mut words = column.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (initial, rest) = word.split_at(word.len().min(1));
        name + &initial.to_ascii_uppercase() + rest
    })
}

/// Where the events of one row are. It may cover more events than those; never fewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the stream of an order.
    Order(OrderId),
    /// In every stream with a reference of the subscription.
    Subscription(SubscriptionId),
    /// In every stream in which the domain got mailboxes.
    Domain(Domain),
    /// A single event.
    Event(Source, EventId),
    /// Anywhere: the whole log has to be read. For rows that aggregate many orders.
    Log,
}

/// What happens to a row after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is kept, as changed.
    Keep,
    /// It is removed. A later event for its key starts from the default view.
    Remove,
}

/// The keys of the rows that one event touches: each once, in the order of the event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys(Vec<String>);

impl Keys {
    /// The event touches nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// The event touches one row.
    pub fn one(key: impl Into<String>) -> Self {
        Self(vec![key.into()])
    }

    /// The keys, one by one.
    pub fn iter(&self) -> slice::Iter<'_, String> {
        self.0.iter()
    }
}

impl FromIterator<String> for Keys {
    fn from_iter<I: IntoIterator<Item = String>>(keys: I) -> Self {
        let mut own = Vec::new();
        for key in keys {
            if !own.contains(&key) {
                own.push(key);
            }
        }
        Self(own)
    }
}

impl IntoIterator for Keys {
    type Item = String;
    type IntoIter = std::vec::IntoIter<String>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Keys {
    type Item = &'a String;
    type IntoIter = slice::Iter<'a, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The type of a column, mapped to each store's SQL type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A signed 64-bit integer.
    Integer,
    /// An instant, UTC.
    Timestamp,
    /// True or false.
    Boolean,
    /// A calendar day, UTC.
    Date,
}

/// One typed column of a projection's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, in `snake_case`.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Whether it is the row's key under another name: then it is not stored twice.
    pub is_key: bool,
    /// Whether it has an index, for lists that filter or sort by it.
    pub indexed: bool,
    /// The value of nearly all rows, which no query searches for: rows with it are not in the index.
    pub usual: Option<&'static str>,
    /// Whether it may be NULL.
    pub nullable: bool,
}

impl Column {
    /// A column that is never NULL and has no index.
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            is_key: false,
            indexed: false,
            usual: None,
            nullable: false,
        }
    }

    /// The row's key, under its public name.
    pub const fn key(name: &'static str) -> Self {
        Self {
            is_key: true,
            ..Self::new(name, Kind::Text)
        }
    }

    /// The same with an index.
    pub const fn indexed(self) -> Self {
        Self { indexed: true, ..self }
    }

    /// The same with an index of the rows that have another value than this usual one.
    pub const fn indexed_unless(self, usual: &'static str) -> Self {
        Self {
            indexed: true,
            usual: Some(usual),
            ..self
        }
    }

    /// The same, with NULL allowed.
    pub const fn nullable(self) -> Self {
        Self { nullable: true, ..self }
    }

    /// Whether the column accepts the value.
    pub fn accepts(&self, value: &Value) -> bool {
        value.kind().map_or(self.nullable, |kind| kind == self.kind)
    }
}

/// A stable SQL view over the rows of one projection, besides the one with its own name.
#[derive(Clone, Copy, Debug)]
pub struct SqlView {
    /// Its name.
    pub name: &'static str,
    /// The projection.
    pub of: &'static str,
    /// Its query on PostgreSQL, with `{table}` for the table of rows.
    pub postgres: &'static str,
    /// The same on SQLite.
    pub sqlite: &'static str,
}

/// The values of one row, in the order of its projection's columns.
pub type Row = Vec<Value>;

/// One value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Unknown or absent.
    Null,
    /// Any text.
    Text(String),
    /// A signed 64-bit integer.
    Integer(i64),
    /// An instant, UTC.
    Timestamp(Timestamp),
    /// True or false.
    Boolean(bool),
    /// A calendar day, UTC.
    Date(Date),
}

impl Value {
    /// Its kind; none for NULL.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Null => None,
            Self::Text(_) => Some(Kind::Text),
            Self::Integer(_) => Some(Kind::Integer),
            Self::Timestamp(_) => Some(Kind::Timestamp),
            Self::Boolean(_) => Some(Kind::Boolean),
            Self::Date(_) => Some(Kind::Date),
        }
    }

    /// The value as JSON: times and days as ISO 8601 texts.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Text(text) => text.as_str().into(),
            Self::Integer(number) => (*number).into(),
            Self::Timestamp(moment) => moment.to_string().into(),
            Self::Boolean(flag) => (*flag).into(),
            Self::Date(date) => date.to_string().into(),
        }
    }

    /// A count, or a position; one beyond `i64` becomes the largest `i64`.
    pub fn count(number: impl TryInto<i64>) -> Self {
        Self::Integer(number.try_into().unwrap_or(i64::MAX))
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

macro_rules! value_from {
    ($($from:ty => $variant:ident),* $(,)?) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

value_from! {
    &str => Text,
    &String => Text,
    String => Text,
    i64 => Integer,
    u32 => Integer,
    Timestamp => Timestamp,
    bool => Boolean,
    Date => Date,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_an_event_names_twice_is_touched_once() {
        let keys: Keys = ["a", "b", "a"].map(String::from).into_iter().collect();
        assert_eq!(keys.into_iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_column_takes_values_of_its_kind_and_null_only_where_allowed() {
        let column = Column::new("domain", Kind::Text);
        assert!(column.accepts(&"a.com".into()));
        assert!(!column.accepts(&Value::Integer(1)));
        assert!(!column.accepts(&Value::Null));
        assert!(column.nullable().accepts(&Value::Null));
    }

    #[test]
    fn a_field_is_named_after_its_column() {
        assert_eq!(camel_case("first_recorded_at"), "firstRecordedAt");
        assert_eq!(camel_case("day"), "day");
    }

    #[test]
    fn a_count_beyond_the_column_is_its_largest_value() {
        assert_eq!(Value::count(u64::MAX), Value::Integer(i64::MAX));
        assert_eq!(Value::count(3_usize), Value::Integer(3));
    }
}
