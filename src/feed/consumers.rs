//! The status of named consumers.

use std::fmt::Write;
use std::time::Duration;

use aggregates::ActorId;
use jiff::Timestamp;
use serde::Serialize;

use runner::lag_seconds;
use store::clock;
use store::{Consumer, ConsumerName, EventFilter, Head, Store, StoreError};

/// The most consumers in metrics.
const SHOWN: usize = 50;

/// How often a reading consumer is stored as seen. Not with each page, as it is a write.
pub const SEEN_EVERY: Duration = Duration::from_secs(10);

/// The status of a named consumer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerStatus {
    /// Its name.
    pub name: ConsumerName,
    /// The events it reads; without conditions, all.
    pub filter: EventFilter,
    /// Its checkpoint: it has processed everything up to this position.
    pub position: u64,
    /// Its owner: a token's id, or `admin`. Only the owner and tokens with the scope `operate` may change it. Null for
    /// the relay's, and for consumers older than this field, which any token may change.
    pub owner: Option<ActorId>,
    /// The number of events after its checkpoint, whether they match its filter or not.
    pub lag: u64,
    /// How long the oldest of them has waited, in seconds.
    pub lag_seconds: f64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its filter or its checkpoint was last set.
    pub updated_at: Timestamp,
    /// When it last read or committed, to some seconds. For the relay: when NATS last had every event sent.
    pub last_seen_at: Option<Timestamp>,
}

/// The status of every consumer, by name.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub async fn statuses(store: &dyn Store) -> Result<Vec<ConsumerStatus>, StoreError> {
    let (consumers, head) = (store.consumers().await?, store.head().await?);
    let mut statuses = Vec::with_capacity(consumers.len());
    for consumer in consumers {
        statuses.push(of(store, consumer, head).await?);
    }
    Ok(statuses)
}

/// The status of the consumers with the most lag, at most 50, and the number of all consumers. Metrics use it, so that
/// they stay small.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub async fn furthest_behind(store: &dyn Store) -> Result<(Vec<ConsumerStatus>, usize), StoreError> {
    let (mut consumers, head) = (store.consumers().await?, store.head().await?);
    let count = consumers.len();
    consumers.sort_by_key(|consumer| consumer.position);
    consumers.truncate(SHOWN);
    consumers.sort_by(|one, other| one.name.as_str().cmp(other.name.as_str()));
    let mut statuses = Vec::with_capacity(consumers.len());
    for consumer in consumers {
        statuses.push(of(store, consumer, head).await?);
    }
    Ok((statuses, count))
}

/// The status of one consumer; none if it does not exist.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub async fn status(store: &dyn Store, name: &ConsumerName) -> Result<Option<ConsumerStatus>, StoreError> {
    let (consumer, head) = (store.consumer(name).await?, store.head().await?);
    match consumer {
        Some(consumer) => Ok(Some(of(store, consumer, head).await?)),
        None => Ok(None),
    }
}

async fn of(store: &dyn Store, consumer: Consumer, head: Head) -> Result<ConsumerStatus, StoreError> {
    Ok(ConsumerStatus {
        lag: head.position.0.saturating_sub(consumer.position.0),
        lag_seconds: lag_seconds(store, consumer.position, head.position, clock::now()).await?,
        name: consumer.name,
        owner: consumer.owner,
        filter: consumer.filter,
        position: consumer.position.0,
        created_at: consumer.created_at,
        updated_at: consumer.updated_at,
        last_seen_at: consumer.seen_at,
    })
}

/// Stores that a consumer is reading, unless that was stored within [`SEEN_EVERY`].
///
/// # Errors
/// [`StoreError`] if it cannot be stored.
pub async fn note_seen(store: &dyn Store, consumer: &Consumer) -> Result<(), StoreError> {
    let noted = |at: Timestamp| clock::now().duration_since(at).unsigned_abs() < SEEN_EVERY;
    if consumer.seen_at.is_some_and(noted) {
        return Ok(());
    }
    store.consumer_seen(&consumer.name).await
}

/// The consumers' lag in Prometheus' text format, and their number. Written afresh each time, so that a consumer
/// deleted by another process disappears.
pub fn prometheus_text(statuses: &[ConsumerStatus], count: usize) -> String {
    let mut text = format!("# TYPE warmledger_consumers gauge\nwarmledger_consumers {count}\n");
    let mut gauge = |name: &str, value: &dyn Fn(&ConsumerStatus) -> f64| {
        // writing to a String cannot fail
        let _ = writeln!(text, "# TYPE {name} gauge");
        for status in statuses {
            let _ = writeln!(
                text,
                "{name}{{consumer=\"{}\"}} {}",
                status.name.as_str(),
                value(status)
            );
        }
    };
    if !statuses.is_empty() {
        gauge("warmledger_consumer_lag_events", &|status| status.lag as f64);
        gauge("warmledger_consumer_lag_seconds", &|status| status.lag_seconds);
    }
    text
}
