//! The database's objects on PostgreSQL, compared with those that the same migrations create in a schema of their own,
//! which is rolled back before it is visible: the server itself describes both, so its version makes no difference.

use projections::{Column, Kind};
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Connection, Row};

use super::statements::other_views;
use super::{MIGRATIONS, generations};
use crate::generation::table_name;
use crate::schema::{self, Catalog, Object, ObjectKind, SchemaCheck};
use crate::{GenerationState, StoreError};

/// All objects in the schema $1: kind, table, name, definition and the statement that creates it. $2: whether triggers
/// have to fire in this session. Definitions leave out the schema's own name.
const CATALOG: &str = "
WITH relations AS (
    SELECT pg_class.*, quote_ident(nspname) || '.' AS prefix
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = $1 AND relname <> '_sqlx_migrations'
), tables AS (
    SELECT * FROM relations WHERE relkind IN ('r', 'p')
)
SELECT 'table' AS kind, relname::text AS of_table, relname::text AS name,
       'kept ' || relpersistence::text || CASE WHEN relrowsecurity THEN ', with row security' ELSE '' END AS definition,
       NULL AS make
FROM tables
UNION ALL
SELECT 'column', relname, relname || '.' || attname,
       format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
           || coalesce(' DEFAULT ' || replace(pg_get_expr(adbin, adrelid), prefix, ''), '') || attidentity::text || attgenerated::text,
       NULL
FROM tables JOIN pg_attribute ON attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
UNION ALL
SELECT 'constraint', relname, relname || '.' || conname, replace(pg_get_constraintdef(pg_constraint.oid), prefix, ''),
       format('ALTER TABLE %I ADD CONSTRAINT %I %s', relname, conname, replace(pg_get_constraintdef(pg_constraint.oid), prefix, ''))
FROM tables JOIN pg_constraint ON conrelid = tables.oid AND contype IN ('c', 'f', 'p', 'u', 'x')
UNION ALL
SELECT CASE WHEN indisunique THEN 'unique index' ELSE 'index' END, tables.relname, relations.relname,
       replace(pg_get_indexdef(indexrelid), tables.prefix, '') || CASE WHEN indisvalid AND indisready THEN '' ELSE ', not valid' END,
       replace(pg_get_indexdef(indexrelid), tables.prefix, '')
FROM tables JOIN pg_index ON indrelid = tables.oid JOIN relations ON relations.oid = indexrelid
WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
UNION ALL
SELECT 'trigger', relname, relname || '.' || tgname, replace(pg_get_triggerdef(pg_trigger.oid), prefix, '') ||
       CASE WHEN tgenabled = 'D' THEN ', disabled'
            WHEN tgenabled = 'R' THEN ', firing on replicas only'
            WHEN $2 AND tgenabled = 'O' AND current_setting('session_replication_role') = 'replica'
                THEN ', not firing, since session_replication_role is replica'
            ELSE '' END,
       CASE WHEN $2 THEN NULL
            ELSE replace(pg_get_triggerdef(pg_trigger.oid), prefix, '')
                 || format('; ALTER TABLE %I ENABLE TRIGGER %I', relname, tgname) END
FROM tables JOIN pg_trigger ON tgrelid = tables.oid AND NOT tgisinternal
UNION ALL
SELECT 'rule', relname, relname || '.' || rulename, 'there', NULL
FROM tables JOIN pg_rewrite ON ev_class = tables.oid
UNION ALL
SELECT 'function', '', proname || '(' || pg_get_function_identity_arguments(pg_proc.oid) || ')',
       replace(pg_get_functiondef(pg_proc.oid), quote_ident(nspname) || '.', ''),
       replace(pg_get_functiondef(pg_proc.oid), quote_ident(nspname) || '.', '')
FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace JOIN pg_language ON pg_language.oid = prolang
WHERE nspname = $1 AND prokind = 'f' AND lanname IN ('plpgsql', 'sql')
UNION ALL
SELECT 'view', relname, relname, pg_get_viewdef(relations.oid), NULL FROM relations WHERE relkind = 'v'";

const APPLIED: &str = "SELECT version FROM _sqlx_migrations WHERE success";

/// The objects that the migrations create, or why they could not be determined.
pub(super) type Expected = Result<Catalog, String>;

pub(super) async fn check(pool: &PgPool, expected: &Expected) -> Result<SchemaCheck, StoreError> {
    let mut tx = pool.begin().await?;
    // all reads in one snapshot
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .execute(&mut *tx)
        .await?;
    let applied: Vec<i64> = sqlx::query_scalar(APPLIED).fetch_all(&mut *tx).await?;
    if applied.iter().any(|version| !MIGRATIONS.version_exists(*version)) {
        return Ok(SchemaCheck::of_newer_version());
    }
    let (schema,): (String,) = sqlx::query_as(
        "SELECT coalesce((SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = to_regclass('_sqlx_migrations')),
                         current_schema()::text, 'public')",
    )
    .fetch_one(&mut *tx)
    .await?;
    let mut actual = catalog(&mut tx, schema.trim_matches('"'), true).await?;
    let generations = if actual.contains_key(&(ObjectKind::Table, "projection_generations".to_owned())) {
        generations::all(&mut tx).await?
    } else {
        Vec::new()
    };
    tx.rollback().await?;
    let (mut expected, unchecked) = match expected {
        Ok(expected) => (expected.clone(), None),
        Err(reason) => (Catalog::new(), Some(reason.clone())),
    };
    let others = |name: &str, table: &str| other_views(name, table, |view| view.postgres);
    schema::expect_generations(&mut expected, &generations, describe, others, fixed);
    for generation in generations.iter().filter(|known| known.state == GenerationState::Live) {
        if let Some(view) = actual.get_mut(&(ObjectKind::View, generation.name.clone())) {
            let text = view.definition.take().unwrap_or_default();
            view.definition = Some(schema::view_text(&text, &table_name(generation)));
        }
    }
    Ok(SchemaCheck {
        faults: schema::differences(&expected, &actual),
        unchecked,
    })
}

/// The objects that the applied migrations create.
///
/// # Errors
/// [`StoreError`] if a later attempt may succeed; if the role may not create them or the server is read-only, that is
/// the answer.
pub(super) async fn expected(pool: &PgPool) -> Result<Expected, StoreError> {
    match made_anew(pool).await {
        Ok(catalog) => Ok(Ok(catalog)),
        Err(StoreError::Refused { code, message }) if code != "42P01" => Ok(Err(format!("{message} ({code})"))),
        Err(StoreError::ReadOnly(message)) => Ok(Err(message)),
        Err(error) => Err(error),
    }
}

async fn made_anew(pool: &PgPool) -> Result<Catalog, StoreError> {
    let mut connection = pool.acquire().await?;
    let applied: Vec<i64> = sqlx::query_scalar(APPLIED).fetch_all(&mut *connection).await?;
    let name = format!("warmledger_compared_{:016x}", rand::random::<u64>());
    let mut tx = connection.begin().await?;
    run(&mut tx, format!("CREATE SCHEMA {name}")).await?;
    run(&mut tx, format!("SET LOCAL search_path = {name}")).await?;
    for migration in MIGRATIONS.iter().filter(|known| applied.contains(&known.version)) {
        sqlx::raw_sql(migration.sql.clone()).execute(&mut *tx).await?;
    }
    let catalog = catalog(&mut tx, &name, false).await?;
    tx.rollback().await?;
    Ok(catalog)
}

async fn run(connection: &mut PgConnection, sql: String) -> Result<(), StoreError> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}

async fn catalog(connection: &mut PgConnection, schema: &str, fires: bool) -> Result<Catalog, StoreError> {
    let rows = sqlx::query(CATALOG).persistent(false).bind(schema).bind(fires);
    let mut catalog = Catalog::new();
    for row in rows.fetch_all(connection).await? {
        let kind = match row.try_get("kind")? {
            "table" => ObjectKind::Table,
            "column" => ObjectKind::Column,
            "constraint" => ObjectKind::Constraint,
            "unique index" => ObjectKind::UniqueIndex,
            "index" => ObjectKind::Index,
            "trigger" => ObjectKind::Trigger,
            "rule" => ObjectKind::Rule,
            "function" => ObjectKind::Function,
            _ => ObjectKind::View,
        };
        let object = Object {
            table: row.try_get("of_table")?,
            definition: row.try_get("definition")?,
            make: row.try_get("make")?,
        };
        catalog.insert((kind, row.try_get("name")?), object);
    }
    Ok(catalog)
}

fn describe(column: &Column) -> String {
    let of = match column.kind {
        Kind::Text => "text",
        Kind::Integer => "bigint",
        Kind::Timestamp => "timestamp with time zone",
        Kind::Boolean => "boolean",
        Kind::Date => "date",
    };
    format!("{of}{}", if column.nullable { "" } else { " NOT NULL" })
}

/// The key and the document of a generation's table.
fn fixed(table: &str) -> Vec<((ObjectKind, String), Object)> {
    let object = |definition: &str, make| Object {
        table: table.to_owned(),
        definition: Some(definition.to_owned()),
        make,
    };
    let needed = |column: &str| {
        let make = format!("ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL");
        let name = format!("{table}.{column}");
        ((ObjectKind::Column, name), object("text NOT NULL", Some(make)))
    };
    let key = format!("ALTER TABLE {table} ADD CONSTRAINT {table}_pkey PRIMARY KEY (key)");
    let name = format!("{table}.{table}_pkey");
    vec![
        needed("key"),
        needed("document"),
        ((ObjectKind::Constraint, name), object("PRIMARY KEY (key)", Some(key))),
    ]
}
