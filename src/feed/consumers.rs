//! How the named consumers are doing.

use std::fmt::Write;
use std::time::Duration;

use aggregates::ActorId;
use jiff::Timestamp;
use serde::Serialize;

use runner::lag_seconds;
use store::clock;
use store::{Consumer, ConsumerName, EventFilter, Head, Store, StoreError};

/// The most consumers that metrics name.
const SHOWN: usize = 50;

/// A consumer that reads on and on is noted as seen so often, and not with each page: a note is a write.
pub const SEEN_EVERY: Duration = Duration::from_secs(10);

/// How a named consumer is doing.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerStatus {
    /// Its name.
    pub name: ConsumerName,
    /// What it reads; without any condition, everything.
    pub filter: EventFilter,
    /// Its checkpoint: it is done with everything up to this position.
    pub position: u64,
    /// Whose it is: a token's id, or `admin`. Only they, and tokens with the scope `operate`, may change it. Null of one that was made
    /// before this was kept, which anybody may change, and of the relay's.
    pub owner: Option<ActorId>,
    /// How many events have been recorded after its checkpoint, whether its filter lets them pass or not.
    pub lag: u64,
    /// For how many seconds the oldest of them has waited.
    pub lag_seconds: f64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its filter or its checkpoint was last set.
    pub updated_at: Timestamp,
    /// When it last read or committed, to some seconds. The relay's: when NATS last had everything that it was sent.
    pub last_seen_at: Option<Timestamp>,
}

/// How every consumer is doing, by name.
///
/// # Errors
/// [`StoreError`] if the store cannot tell.
pub async fn statuses(store: &dyn Store) -> Result<Vec<ConsumerStatus>, StoreError> {
    let (consumers, head) = (store.consumers().await?, store.head().await?);
    let mut statuses = Vec::with_capacity(consumers.len());
    for consumer in consumers {
        statuses.push(of(store, consumer, head).await?);
    }
    Ok(statuses)
}

/// How those are doing that are behind furthest, at most 50, and how many there are of all: what metrics tell, so that they
/// stay small however many consumers there are.
///
/// # Errors
/// [`StoreError`] if the store cannot tell.
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

/// How one consumer is doing; none if there is no such consumer.
///
/// # Errors
/// [`StoreError`] if the store cannot tell.
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

/// Notes that a consumer is reading, unless that was noted within [`SEEN_EVERY`].
///
/// # Errors
/// [`StoreError`] if it cannot be noted.
pub async fn note_seen(store: &dyn Store, consumer: &Consumer) -> Result<(), StoreError> {
    let noted = |at: Timestamp| clock::now().duration_since(at).unsigned_abs() < SEEN_EVERY;
    if consumer.seen_at.is_some_and(noted) {
        return Ok(());
    }
    store.consumer_seen(&consumer.name).await
}

/// The consumers' lag in Prometheus' text format, and how many there are. Written out afresh each time, so that nothing is left of a consumer
/// that another process has deleted.
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
