//! Databases of one round, and the checks at its end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};
use tempfile::TempDir;

use crate::folding::Watcher;

/// A fresh database with a directory, both removed on drop.
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) dir: TempDir,
    /// The server's URL and the database's name.
    postgres: Option<(String, String)>,
}

/// The contents of a database after a round.
pub(crate) struct Contents {
    pub(crate) rows: u64,
    /// Bytes on disk: tables, indexes, TOAST.
    pub(crate) bytes: u64,
}

impl Database {
    /// A file in a directory below `parent`.
    pub(crate) fn sqlite(parent: &Path) -> anyhow::Result<Self> {
        let dir = temporary(parent)?;
        let url = format!("sqlite:{}", dir.path().join("warmledger.db").display());
        Ok(Self {
            url,
            dir,
            postgres: None,
        })
    }

    /// A new database on a server.
    pub(crate) async fn postgres(server: &str, parent: &Path) -> anyhow::Result<Self> {
        let dir = temporary(parent)?;
        let name = format!("warmledger_bench_{:016x}", rand::random::<u64>());
        let mut connection = PgConnection::connect(server)
            .await
            .context("PostgreSQL: --postgres-url")?;
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut connection)
            .await?;
        let (base, query) = match server.split_once('?') {
            Some((base, query)) => (base, format!("?{query}")),
            None => (server, String::new()),
        };
        let scheme = base.find("://").map_or(0, |at| at + 3);
        let authority = base[scheme..].find('/').map_or(base, |at| &base[..scheme + at]);
        Ok(Self {
            url: format!("{authority}/{name}{query}"),
            dir,
            postgres: Some((server.to_owned(), name)),
        })
    }

    /// The database's name on PostgreSQL.
    pub(crate) fn name(&self) -> Option<&str> {
        self.postgres.as_ref().map(|(_, name)| name.as_str())
    }

    /// A connection that reads the progress of the views.
    pub(crate) async fn watcher(&self) -> anyhow::Result<Watcher> {
        match self.postgres {
            Some(_) => Watcher::postgres(&self.url).await,
            None => Watcher::sqlite(self.sqlite_file()?).await,
        }
    }

    /// Counts the rows of a peer's table.
    pub(crate) async fn contents_of(&self, table: &str) -> anyhow::Result<Contents> {
        let mut connection = PgConnection::connect(&self.url).await?;
        let sql = format!("SELECT count(*), pg_total_relation_size('{table}') FROM {table}");
        let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut connection).await?;
        Ok(Contents {
            rows: unsigned(row.try_get(0)?)?,
            bytes: unsigned(row.try_get(1)?)?,
        })
    }

    /// Counts the ledger's events and checks that their positions are 1, 2, 3, … up to the head. The bytes are those of
    /// events, references and data keys: the permanent cost of a webhook. Projections can be dropped.
    pub(crate) async fn ledger_contents(&self) -> anyhow::Result<Contents> {
        const COUNTS: &str = "SELECT count(*), coalesce(min(position), 1), coalesce(max(position), 0),
                (SELECT position FROM head)
            FROM events";
        let (counts, bytes): ([i64; 4], i64) = if self.postgres.is_some() {
            let mut connection = PgConnection::connect(&self.url).await?;
            let row = sqlx::query(COUNTS).fetch_one(&mut connection).await?;
            let bytes = "SELECT sum(pg_total_relation_size(name::regclass))::bigint
                FROM unnest('{events,refs,data_keys}'::text[]) AS tables (name)";
            let bytes = sqlx::query_scalar(bytes).fetch_one(&mut connection).await?;
            (numbers(|index| row.try_get(index))?, bytes)
        } else {
            let options = SqliteConnectOptions::new().filename(self.sqlite_file()?);
            let mut connection = SqliteConnection::connect_with(&options).await?;
            let row = sqlx::query(COUNTS).fetch_one(&mut connection).await?;
            let bytes = "SELECT sum(pgsize) FROM dbstat WHERE name IN
                (SELECT name FROM sqlite_schema WHERE tbl_name IN ('events', 'refs', 'data_keys'))";
            let bytes = match sqlx::query_scalar(bytes).fetch_one(&mut connection).await {
                Ok(bytes) => bytes,
                // without dbstat, the whole file
                Err(_) => {
                    let whole = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
                    sqlx::query_scalar(whole).fetch_one(&mut connection).await?
                }
            };
            (numbers(|index| row.try_get(index))?, bytes)
        };
        let [rows, first, last, head] = counts;
        ensure!(
            first == 1 && last == rows && head == rows,
            "{rows} events stand at {first}..={last}, and the head at {head}"
        );
        Ok(Contents {
            rows: unsigned(rows)?,
            bytes: unsigned(bytes)?,
        })
    }

    /// The size of all views on PostgreSQL, by its statistics: bytes with indexes, rows, and index entries.
    pub(crate) async fn views(&self) -> anyhow::Result<[u64; 3]> {
        const VIEWS: &str = "
            SELECT coalesce(sum(pg_total_relation_size(tables.oid)), 0)::bigint, coalesce(sum(tables.reltuples), 0)::bigint,
                   coalesce(sum((SELECT sum(indexes.reltuples) FROM pg_index JOIN pg_class AS indexes ON indexes.oid = indexrelid
                                 WHERE indrelid = tables.oid)), 0)::bigint
            FROM pg_class AS tables JOIN projection_generations ON relname = name || '_g' || generation
            WHERE state = 'live'";
        let mut connection = PgConnection::connect(&self.url).await?;
        let row = sqlx::query(VIEWS).fetch_one(&mut connection).await?;
        let [bytes, rows, entries]: [i64; 3] = numbers(|index| row.try_get(index))?;
        Ok([unsigned(bytes)?, unsigned(rows)?, unsigned(entries)?])
    }

    /// Waits until every view has reached the head.
    pub(crate) async fn caught_up(&self) -> anyhow::Result<()> {
        const BEHIND: &str =
            "SELECT (SELECT position FROM head) - min(position) FROM projection_generations WHERE state = 'live'";
        let mut connection = PgConnection::connect(&self.url).await?;
        loop {
            let behind: i64 = sqlx::query_scalar(BEHIND).fetch_one(&mut connection).await?;
            if behind == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Does what autovacuum does on a slowly growing table: updates statistics and the visibility map.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        if self.postgres.is_some() {
            let mut connection = PgConnection::connect(&self.url).await?;
            sqlx::query("VACUUM (ANALYZE)").execute(&mut connection).await?;
        }
        Ok(())
    }

    fn sqlite_file(&self) -> anyhow::Result<PathBuf> {
        let path = self.url.strip_prefix("sqlite:").context("this is not SQLite")?;
        Ok(PathBuf::from(path))
    }

    /// Drops the database now. Otherwise it is dropped with this value.
    pub(crate) async fn drop_now(mut self) -> anyhow::Result<()> {
        if let Some((server, name)) = self.postgres.take() {
            drop_postgres(&server, &name).await?;
        }
        Ok(())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some((server, name)) = self.postgres.take() else {
            return;
        };
        // a runtime may be ending here, so use a new one
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(drop_postgres(&server, &name))
        });
        if let Ok(Err(error)) = dropped.join() {
            eprintln!("a database could not be dropped: {error}");
        }
    }
}

async fn drop_postgres(server: &str, name: &str) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(server).await?;
    let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await?;
    Ok(())
}

fn temporary(parent: &Path) -> anyhow::Result<TempDir> {
    Ok(tempfile::Builder::new()
        .prefix("warmledger-bench-")
        .tempdir_in(parent)?)
}

fn numbers<const N: usize>(column: impl Fn(usize) -> Result<i64, sqlx::Error>) -> Result<[i64; N], sqlx::Error> {
    let mut numbers = [0; N];
    for (index, number) in numbers.iter_mut().enumerate() {
        *number = column(index)?;
    }
    Ok(numbers)
}

fn unsigned(number: i64) -> anyhow::Result<u64> {
    u64::try_from(number).context("a count is negative")
}
