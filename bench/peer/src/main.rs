//! A peer: postgres-es, the PostgreSQL store of cqrs-es, used as its documentation shows.
//!
//! Layout
//! - `order`: its aggregate and event, with the webhook's whole content
//! - `append`: the closed loop of senders, one command at a time each
//! - `view`: a view that is folded with each append
//! - `replay`: all events through `replay_all`
//!
//! `bench` builds and starts it; each run prints one line of JSON.

mod append;
mod order;
mod replay;
mod view;

use std::io::Read;

use anyhow::Context;
use sqlx::postgres::{PgPool, PgPoolOptions};

const USAGE: &str =
    "bench-peer append|append-and-fold URL BODIES SENDERS WARM_UP SECONDS | bench-peer replay URL BODIES EVENTS";

/// Connections to PostgreSQL, as many as the plain service has.
const CONNECTIONS: u32 = 16;

/// From the `db/init.sql` of postgres-es.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS events (
    aggregate_type text                         NOT NULL,
    aggregate_id   text                         NOT NULL,
    sequence       bigint CHECK (sequence >= 0) NOT NULL,
    event_type     text                         NOT NULL,
    event_version  text                         NOT NULL,
    payload        json                         NOT NULL,
    metadata       json                         NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, sequence)
)";

/// The allocator of every contender.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [
            role @ ("append" | "append-and-fold"),
            url,
            bodies,
            senders,
            warm_up,
            seconds,
        ] => {
            let pool = connect(url).await?;
            let queries = match role {
                "append" => Vec::new(),
                _ => vec![view::query(&pool).await?],
            };
            let cqrs = postgres_es::postgres_cqrs(pool, queries, ());
            append::run(cqrs, bodies, senders.parse()?, warm_up.parse()?, seconds.parse()?).await?;
        }
        ["replay", url, bodies, events] => replay::run(connect(url).await?, bodies, events.parse()?).await?,
        _ => anyhow::bail!(USAGE),
    }
    // the benchmark reads this process's memory, and then closes its stdin
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

async fn connect(url: &str) -> anyhow::Result<PgPool> {
    let options = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .min_connections(CONNECTIONS)
        .test_before_acquire(false);
    let pool = options.connect(url).await.context("PostgreSQL")?;
    sqlx::query(TABLE).execute(&pool).await?;
    Ok(pool)
}

/// The webhooks' bodies, one a line.
fn read_bodies(path: &str) -> anyhow::Result<Vec<order::Sent>> {
    let text = std::fs::read_to_string(path).with_context(|| path.to_owned())?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}
