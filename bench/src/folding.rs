//! The progress of the views while webhooks are recorded, read from the database.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde::Serialize;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, PgConnection, Row, SqliteConnection};

use crate::load::Window;

/// The interval between two reads.
const LOOK: Duration = Duration::from_millis(500);
/// Time-out for the views to catch up.
const LIMIT: Duration = Duration::from_secs(600);

const POSTGRES: &str = "
    SELECT head.position, views.folded,
           coalesce((SELECT extract(epoch FROM clock_timestamp() - recorded_at)::float8 FROM events WHERE position = views.folded + 1), 0)
    FROM head, (SELECT coalesce(min(position), 0) AS folded FROM projection_generations WHERE state = 'live') AS views";
const SQLITE: &str = "
    SELECT head.position, views.folded,
           coalesce((SELECT (julianday('now') - julianday(recorded_at)) * 86400.0 FROM events WHERE position = views.folded + 1), 0.0)
    FROM head, (SELECT coalesce(min(position), 0) AS folded FROM projection_generations WHERE state = 'live') AS views";

/// The progress of the views in a round.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Folding {
    /// Events folded into all views, per second, within the window.
    pub(crate) per_second: f64,
    /// The longest wait of an event for its views within the window, in seconds.
    pub(crate) most_seconds: f64,
    /// The lag of the views, in events, when the load ended.
    pub(crate) lag: u64,
    /// How long the views took to catch up then, in seconds.
    pub(crate) caught_up_after: f64,
}

/// The progress of the views at a moment.
#[derive(Clone, Copy)]
struct Look {
    head: i64,
    folded: i64,
    /// How long the oldest event that is not in all views has waited.
    seconds: f64,
}

/// A connection that reads the progress of the views.
pub(crate) enum Watcher {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Watcher {
    pub(crate) async fn postgres(url: &str) -> anyhow::Result<Self> {
        Ok(Self::Postgres(PgConnection::connect(url).await?))
    }

    pub(crate) async fn sqlite(file: PathBuf) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::new().filename(file).read_only(true);
        Ok(Self::Sqlite(SqliteConnection::connect_with(&options).await?))
    }

    async fn look(&mut self) -> sqlx::Result<Look> {
        let (head, folded, seconds) = match self {
            Self::Postgres(connection) => {
                let row = sqlx::query(POSTGRES).fetch_one(connection).await?;
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)
            }
            Self::Sqlite(connection) => {
                let row = sqlx::query(SQLITE).fetch_one(connection).await?;
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)
            }
        };
        Ok(Look { head, folded, seconds })
    }

    /// Reads from the beginning of the window to its end, and then until all events are folded.
    pub(crate) async fn watch(mut self, window: Window) -> anyhow::Result<Folding> {
        tokio::time::sleep_until(window.from.into()).await;
        let first = self.look().await?;
        let mut most_seconds = first.seconds;
        let last = loop {
            let now = Instant::now();
            tokio::time::sleep_until((now + LOOK).min(window.to).into()).await;
            let look = self.look().await?;
            most_seconds = most_seconds.max(look.seconds);
            if Instant::now() >= window.to {
                break look;
            }
        };
        let mut look = last;
        while look.folded < look.head {
            ensure!(
                window.to.elapsed() < LIMIT,
                "the views had not caught up after {LIMIT:?}"
            );
            tokio::time::sleep(LOOK / 10).await;
            look = self.look().await?;
        }
        Ok(Folding {
            per_second: (last.folded - first.folded) as f64 / (window.to - window.from).as_secs_f64(),
            most_seconds,
            lag: (last.head - last.folded).unsigned_abs(),
            caught_up_after: window.to.elapsed().as_secs_f64(),
        })
    }
}
