//! Replays all events through `replay_all` into a query that only counts: the cost of reading and decoding alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::ensure;
use async_trait::async_trait;
use cqrs_es::persist::QueryReplay;
use cqrs_es::{EventEnvelope, Query};
use postgres_es::{PostgresEventRepository, postgres_cqrs};
use serde_json::json;
use sqlx::postgres::PgPool;

use crate::order::Order;
use crate::read_bodies;

/// Copies the appended events as events of other orders: filling the table is not measured.
const COPY: &str = "INSERT INTO events
    SELECT aggregate_type, aggregate_id || '-' || copy, sequence, event_type, event_version, payload, metadata
    FROM generate_series(1, $1) AS copy, events
    LIMIT $2";

struct Counter(Arc<AtomicU64>);

#[async_trait]
impl Query<Order> for Counter {
    async fn dispatch(&self, _order: &str, events: &[EventEnvelope<Order>]) {
        self.0.fetch_add(events.len() as u64, Ordering::Relaxed);
    }
}

pub(crate) async fn run(pool: PgPool, bodies: &str, events: i64) -> anyhow::Result<()> {
    fill(&pool, bodies, events).await?;
    println!("filled");
    let counted = Arc::new(AtomicU64::new(0));
    let repository = PostgresEventRepository::new(pool);
    let replay = QueryReplay::<_, _, Order>::new(repository, Counter(Arc::clone(&counted)));
    let begun = Instant::now();
    replay.replay_all().await?;
    let seconds = begun.elapsed().as_secs_f64();
    let counted = counted.load(Ordering::Relaxed);
    ensure!(
        counted == events.unsigned_abs(),
        "{counted} of {events} events were replayed"
    );
    println!("{}", json!({ "events": counted, "seconds": seconds }));
    Ok(())
}

/// Fills the table up to this number of events, unless an earlier run has.
async fn fill(pool: &PgPool, bodies: &str, events: i64) -> anyhow::Result<()> {
    let count = || sqlx::query_scalar::<_, i64>("SELECT count(*) FROM events").fetch_one(pool);
    if count().await? > 0 {
        return Ok(());
    }
    let cqrs = postgres_cqrs::<Order>(pool.clone(), Vec::new(), ());
    for webhook in read_bodies(bodies)?.into_iter().take(usize::try_from(events)?) {
        let order = webhook.aggregate();
        cqrs.execute(&order, webhook).await?;
    }
    let appended = count().await?;
    let missing = events - appended;
    sqlx::query(COPY)
        .bind(missing / appended.max(1) + 1)
        .bind(missing)
        .execute(pool)
        .await?;
    sqlx::query("VACUUM ANALYZE events").execute(pool).await?;
    Ok(())
}
