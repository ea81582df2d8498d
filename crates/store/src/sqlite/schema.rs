//! The database's objects on SQLite, compared with those of a new in-memory database with the same migrations.

use projections::{Column, Kind};
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Connection, Row};

use super::statements::other_views;
use super::{MIGRATIONS, generations};
use crate::generation::table_name;
use crate::schema::{self, Catalog, Object, ObjectKind, SchemaCheck};
use crate::{GenerationState, StoreError};

pub(super) async fn check(pool: &SqlitePool) -> Result<SchemaCheck, StoreError> {
    // one transaction: all reads in one snapshot
    let mut tx = pool.begin().await?;
    let applied: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
        .fetch_all(&mut *tx)
        .await?;
    if applied.iter().any(|version| !MIGRATIONS.version_exists(*version)) {
        return Ok(SchemaCheck::of_newer_version());
    }
    let mut new = SqliteConnection::connect("sqlite::memory:").await?;
    for migration in MIGRATIONS.iter().filter(|known| applied.contains(&known.version)) {
        sqlx::raw_sql(migration.sql.clone()).execute(&mut new).await?;
    }
    let mut expected = catalog(&mut new).await?;
    new.close().await?;
    let mut actual = catalog(&mut tx).await?;
    let generations = match generations::all(&mut tx).await {
        // the table is reported missing
        Err(error) if error.is_missing_table() => Vec::new(),
        generations => generations?,
    };
    tx.rollback().await?;
    let others = |name: &str, table: &str| other_views(name, table, |view| view.sqlite);
    schema::expect_generations(&mut expected, &generations, describe, others, fixed);
    for generation in generations.iter().filter(|known| known.state == GenerationState::Live) {
        if let Some(view) = actual.get_mut(&(ObjectKind::View, generation.name.clone())) {
            let made = format!("CREATE VIEW {} AS ", generation.name);
            let text = view.definition.take().unwrap_or_default();
            let select = text.strip_prefix(&made).unwrap_or(&text);
            view.definition = Some(schema::view_text(select, &table_name(generation)));
        }
    }
    Ok(SchemaCheck {
        faults: schema::differences(&expected, &actual),
        unchecked: None,
    })
}

/// A table's definition is its text without its columns: those of projections' tables are compared one by one.
async fn catalog(connection: &mut SqliteConnection) -> Result<Catalog, StoreError> {
    let sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
                   AND name <> '_sqlx_migrations'";
    let mut catalog = Catalog::new();
    for row in sqlx::query(sql).fetch_all(&mut *connection).await? {
        let text: String = row.try_get("sql")?;
        let kind = match row.try_get("type")? {
            "table" => ObjectKind::Table,
            "trigger" => ObjectKind::Trigger,
            "view" => ObjectKind::View,
            _ if text.starts_with("CREATE UNIQUE") => ObjectKind::UniqueIndex,
            _ => ObjectKind::Index,
        };
        let object = Object {
            table: row.try_get("tbl_name")?,
            definition: Some(text.clone()),
            make: Some(text),
        };
        catalog.insert((kind, row.try_get("name")?), object);
    }
    let sql =
        "SELECT tables.name AS table_name, columns.name AS name, columns.type AS type, columns.\"notnull\" AS needed
               FROM sqlite_schema AS tables JOIN pragma_table_info(tables.name) AS columns
               WHERE tables.type = 'table'";
    for row in sqlx::query(sql).fetch_all(connection).await? {
        let (table, name): (String, String) = (row.try_get("table_name")?, row.try_get("name")?);
        let (of, needed): (String, bool) = (row.try_get("type")?, row.try_get("needed")?);
        let object = Object {
            table: table.clone(),
            definition: Some(definition(&of, !needed)),
            make: None,
        };
        catalog.insert((ObjectKind::Column, format!("{table}.{name}")), object);
    }
    Ok(catalog)
}

fn definition(of: &str, nullable: bool) -> String {
    format!("{of}{}", if nullable { "" } else { " NOT NULL" })
}

fn describe(column: &Column) -> String {
    let of = match column.kind {
        Kind::Text | Kind::Timestamp | Kind::Date => "TEXT",
        Kind::Integer | Kind::Boolean => "INTEGER",
    };
    definition(of, column.nullable)
}

/// The key and the document of a generation's table; SQLite cannot alter that the key is the primary one.
fn fixed(table: &str) -> Vec<((ObjectKind, String), Object)> {
    let needed = |column: &str| {
        let object = Object {
            table: table.to_owned(),
            definition: Some(definition("TEXT", false)),
            make: None,
        };
        ((ObjectKind::Column, format!("{table}.{column}")), object)
    };
    vec![needed("key"), needed("document")]
}
