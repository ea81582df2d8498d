//! A test's database without the store, as an operator with `psql` or `sqlite3` sees it.

use serde_json::Value;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{AssertSqlSafe, Executor, PgPool, SqlitePool};
use warmledger::store::Store;

use super::Database;

/// A separate connection.
pub enum Raw {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Raw {
    pub async fn connect(database: &Database) -> Self {
        if database.is_postgres() {
            let pool = PgPoolOptions::new().max_connections(1).connect(&database.url).await;
            Self::Postgres(pool.unwrap())
        } else {
            let pool = SqlitePoolOptions::new().max_connections(1).connect(&database.url).await;
            Self::Sqlite(pool.unwrap())
        }
    }

    /// Runs statements; the error is the database's message.
    pub async fn try_execute(&self, sql: &str) -> Result<(), String> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Sqlite(pool) => pool.execute(sql).await.map(|_| ()),
            Self::Postgres(pool) => pool.execute(sql).await.map(|_| ()),
        }
        .map_err(|error| error.to_string())
    }

    pub async fn execute(&self, sql: &str) {
        self.try_execute(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Drops the triggers that refuse changes.
    pub async fn unguard(&self) {
        match self {
            Self::Postgres(_) => {
                for table in ["events", "tree_nodes", "log_origin", "signing_keys", "checkpoints"] {
                    self.execute(&format!("ALTER TABLE {table} DISABLE TRIGGER USER")).await;
                }
            }
            Self::Sqlite(_) => {
                for trigger in self
                    .texts("SELECT name FROM sqlite_master WHERE type = 'trigger'")
                    .await
                {
                    self.execute(&format!("DROP TRIGGER {trigger}")).await;
                }
            }
        }
    }

    /// Restores them, by the statements of the store's schema check.
    pub async fn guard(&self, store: &dyn Store) {
        for fault in store.check_schema().await.unwrap().faults {
            self.execute(fault.remedy.as_deref().unwrap()).await;
        }
    }

    /// The first column of every row, as text.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let query = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(pool) => sqlx::query_scalar(query).fetch_all(pool).await,
            Self::Postgres(pool) => sqlx::query_scalar(query).fetch_all(pool).await,
        }
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The generic plan of a statement, for any parameters, in one line.
    pub async fn plan(&self, sql: &str) -> String {
        let pool = match self {
            Self::Sqlite(pool) => {
                let sql = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
                let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(sql).fetch_all(pool).await.unwrap();
                let details: Vec<String> = steps.into_iter().map(|(_, _, _, detail)| detail).collect();
                return details.join("; ");
            }
            Self::Postgres(pool) => pool,
        };
        self.execute(&format!(
            "SET plan_cache_mode = force_generic_plan; PREPARE planned AS {sql}"
        ))
        .await;
        let count = "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'planned'";
        let count: i32 = sqlx::query_scalar(count).fetch_one(pool).await.unwrap();
        let values = match count {
            0 => String::new(),
            count => format!("({})", vec!["NULL"; count as usize].join(", ")),
        };
        let plan = self.texts(&format!("EXPLAIN EXECUTE planned{values}")).await.join("; ");
        self.execute("DEALLOCATE planned").await;
        plan
    }

    /// The rows of a projection in its SQL view: `{"key", "document", column…}`, by key.
    pub async fn rows(&self, projection: &dyn projections::AnyProjection) -> Vec<Value> {
        let build = match self {
            Self::Sqlite(_) => "json_object",
            Self::Postgres(_) => "json_build_object",
        };
        let columns = projection.columns().iter().map(|column| column.name);
        let fields: Vec<String> = ["key", "document"]
            .into_iter()
            .chain(columns)
            .map(|column| format!("'{column}', {column}"))
            .collect();
        let sql = format!(
            "SELECT CAST({build}({}) AS text) FROM {} ORDER BY key",
            fields.join(", "),
            projection.name()
        );
        let mut rows: Vec<Value> = self
            .texts(&sql)
            .await
            .iter()
            .map(|row| serde_json::from_str(row).unwrap())
            .collect();
        for row in &mut rows {
            // SQLite keeps JSON as text
            if let Value::String(document) = &row["document"] {
                row["document"] = serde_json::from_str(document).unwrap();
            }
        }
        rows
    }

    /// The rows of the view `order_domains`: `{"key": "<order>/<domain>", column…}`.
    pub async fn order_domains(&self) -> Vec<Value> {
        let build = match self {
            Self::Sqlite(_) => "json_object",
            Self::Postgres(_) => "json_build_object",
        };
        let columns = [
            "order_id",
            "domain",
            "user_id",
            "service_provider",
            "status",
            "subscription_id",
            "mailbox_count",
            "reason",
        ];
        let fields: String = columns.iter().map(|column| format!(", '{column}', {column}")).collect();
        let key = "order_id || '/' || domain";
        let sql = format!("SELECT CAST({build}('key', {key}{fields}) AS text) FROM order_domains ORDER BY {key}");
        let rows = self.texts(&sql).await;
        rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect()
    }

    /// Every row of every table, as text, bytes in hexadecimal.
    pub async fn dump(&self) -> String {
        let Self::Postgres(_) = self else {
            panic!("the files of an SQLite database are read as they are")
        };
        let tables = self
            .texts("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
            .await;
        let mut dump = String::new();
        for table in tables {
            for row in self.texts(&format!("SELECT row_to_json(t)::text FROM {table} t")).await {
                dump.push_str(&row);
                dump.push('\n');
            }
        }
        dump
    }
}
