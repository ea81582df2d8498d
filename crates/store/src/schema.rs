//! The database's objects compared with those that the migrations create: finds tables, keys and triggers that are
//! missing or disabled, and views with another definition. Objects added by an operator are ignored, except triggers
//! and rules on the ledger's tables, which change what the ledger writes.

use std::collections::BTreeMap;
use std::fmt;

use projections::{AnyProjection, Column};

use super::generation::{indexes, stored, table_name, view_query};
use super::{Generation, GenerationState};

/// The kind of an object. Parts of a table sort after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKind {
    /// A table.
    Table,
    /// A column of a table.
    Column,
    /// A constraint of a table.
    Constraint,
    /// A unique index.
    UniqueIndex,
    /// An index.
    Index,
    /// A trigger on a table.
    Trigger,
    /// A rule on a table; the ledger has none.
    Rule,
    /// A function.
    Function,
    /// A view.
    View,
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::Column => "column",
            Self::Constraint => "constraint",
            Self::UniqueIndex => "unique index",
            Self::Index => "index",
            Self::Trigger => "trigger",
            Self::Rule => "rule",
            Self::Function => "function",
            Self::View => "view",
        })
    }
}

/// An object that differs from the migrations'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaFault {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its name; for a part of a table prefixed with the table's name.
    pub name: String,
    /// The difference.
    pub fault: String,
    /// The definition found in its place, if there is one.
    pub found: Option<String>,
    /// A statement that repairs it, if there is one.
    pub remedy: Option<String>,
}

impl SchemaFault {
    /// Whether the ledger's guarantees depend on it. A wrong view misleads readers, and a missing index slows them.
    pub fn is_grave(&self) -> bool {
        !matches!(self.kind, ObjectKind::Index | ObjectKind::View)
    }
}

impl fmt::Display for SchemaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} {} {}", self.kind, self.name, self.fault)
    }
}

/// The result of comparing the schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaCheck {
    /// The differences.
    pub faults: Vec<SchemaFault>,
    /// Why some objects could not be compared, if so.
    pub unchecked: Option<String>,
}

impl SchemaCheck {
    /// For a database migrated by a newer version, as during a rolling update.
    pub(super) fn of_newer_version() -> Self {
        Self {
            faults: Vec::new(),
            unchecked: Some("a newer version of warmledger has changed the database".to_owned()),
        }
    }
}

/// An object.
#[derive(Clone)]
pub(super) struct Object {
    /// Its table, or itself for a table; empty for a function.
    pub(super) table: String,
    /// Its definition; none if it only has to exist.
    pub(super) definition: Option<String>,
    /// The statement that creates it, if there is one.
    pub(super) make: Option<String>,
}

/// Objects by kind and name.
pub(super) type Catalog = BTreeMap<(ObjectKind, String), Object>;

/// The differences: expected objects that are missing or differ, and additional triggers or rules.
pub(super) fn differences(expected: &Catalog, actual: &Catalog) -> Vec<SchemaFault> {
    let is_there = |table: &str| actual.contains_key(&(ObjectKind::Table, table.to_owned()));
    let mut faults = Vec::new();
    for ((kind, name), object) in expected {
        let part = !matches!(kind, ObjectKind::Table | ObjectKind::Function | ObjectKind::View);
        let found = match actual.get(&(*kind, name.clone())) {
            // the missing table is reported itself
            None if part && !is_there(&object.table) => continue,
            Some(found) if object.definition.is_none() || found.definition == object.definition => continue,
            found => found.map(|found| found.definition.clone().unwrap_or_default()),
        };
        let expected = object.definition.as_deref().unwrap_or_default();
        // as expected, with an addition by the catalog
        let state = found
            .as_deref()
            .and_then(|found| found.strip_prefix(expected)?.strip_prefix(", "));
        let fault = match (&found, state) {
            (None, _) => "is missing".to_owned(),
            (Some(_), Some(state)) => format!("is {state}"),
            (Some(_), None) => "is not the one that the migrations make".to_owned(),
        };
        let remedy = match (kind, state) {
            (ObjectKind::Index | ObjectKind::UniqueIndex, Some(_)) => Some(format!("REINDEX INDEX {name}")),
            // it exists: the last of the statements, which enables it, is enough
            (ObjectKind::Trigger, Some(_)) => {
                let make = object.make.as_deref();
                make.and_then(|make| make.rsplit("; ").next()).map(str::to_owned)
            }
            _ => object.make.clone(),
        };
        let (kind, name) = (*kind, name.clone());
        faults.push(SchemaFault {
            kind,
            name,
            fault,
            found,
            remedy,
        });
    }
    let ours = |table: &str| expected.contains_key(&(ObjectKind::Table, table.to_owned()));
    for (key, object) in actual {
        let changes_writes = matches!(key.0, ObjectKind::Trigger | ObjectKind::Rule);
        if changes_writes && !expected.contains_key(key) && ours(&object.table) {
            faults.push(SchemaFault {
                kind: key.0,
                name: key.1.clone(),
                fault: format!(
                    "on the table {} is not the ledger's own: it may change what is written",
                    object.table
                ),
                found: object.definition.clone(),
                remedy: None,
            });
        }
    }
    faults
}

/// The columns of a generation's table, if this program has the projection's version of it.
pub(super) fn known_columns(generation: &Generation) -> Option<&'static [Column]> {
    let projection: &dyn AnyProjection = projections::by_name(&generation.name)?;
    (projection.version() == generation.version).then(|| projection.columns())
}

/// Adds the tables of generations, and the indexes and stable views of live ones, to the expected objects. `describe`
/// gives a column's definition in the catalog, `other_views` the further views over a table, `fixed` the parts of every
/// such table besides its columns; view definitions are normalised with [`view_text`].
pub(super) fn expect_generations(
    expected: &mut Catalog,
    generations: &[Generation],
    describe: impl Fn(&Column) -> String,
    other_views: impl Fn(&str, &str) -> Vec<(&'static str, String)>,
    fixed: impl Fn(&str) -> Vec<((ObjectKind, String), Object)>,
) {
    for generation in generations {
        if generation.state == GenerationState::Retired {
            continue;
        }
        let table = table_name(generation);
        expected.extend(fixed(&table));
        let mut expect = |kind, name: String, definition: Option<String>, make: Option<String>| {
            let table = table.clone();
            expected.insert(
                (kind, name),
                Object {
                    table,
                    definition,
                    make,
                },
            );
        };
        expect(ObjectKind::Table, table.clone(), None, None);
        let Some(columns) = known_columns(generation) else {
            continue;
        };
        for column in stored(columns) {
            expect(
                ObjectKind::Column,
                format!("{table}.{}", column.name),
                Some(describe(column)),
                None,
            );
        }
        if generation.state != GenerationState::Live {
            continue;
        }
        for (name, on) in indexes(generation, columns) {
            let make = format!("CREATE INDEX {name} ON {on}");
            expect(ObjectKind::Index, name, None, Some(make));
        }
        let select = view_query(generation, columns);
        let make = format!("CREATE VIEW {} AS {select}", generation.name);
        expect(ObjectKind::View, generation.name.clone(), Some(select), Some(make));
        for (name, query) in other_views(&generation.name, &table) {
            let make = format!("CREATE VIEW {name} AS {query}");
            expect(ObjectKind::View, name.to_owned(), None, Some(make));
        }
    }
}

/// A view's definition without the database's additions: line breaks, quotes, and the table's name before each column.
pub(super) fn view_text(definition: &str, table: &str) -> String {
    let text = definition.replace('"', "").replace(&format!("{table}."), "");
    let words: Vec<&str> = text.trim().trim_end_matches(';').split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_the_same_however_the_database_writes_it_down() {
        let plain = "SELECT position, key, document FROM orders_g1";
        for written in [
            plain,
            " SELECT orders_g1.\"position\",\n    orders_g1.key,\n    orders_g1.document\n   FROM orders_g1;",
            " SELECT \"position\",\n    key,\n    document\n   FROM orders_g1;",
        ] {
            assert_eq!(view_text(written, "orders_g1"), plain);
        }
        let other = "SELECT position, key, document FROM other.orders_g1";
        assert_ne!(view_text(other, "orders_g1"), plain);
    }
}
