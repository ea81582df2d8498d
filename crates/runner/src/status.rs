//! The status of the projections.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use aggregates::Position;
use serde::Serialize;

use super::LiveRunner;
use super::lag::lag_seconds;
use super::rates::Rates;
use store::clock;
use store::{Generation, GenerationState, ParkedCount, Store, StoreError};

/// The status of a projection.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The projection.
    pub name: &'static str,
    /// The version of its code.
    pub version: u32,
    /// The version that made the live rows.
    pub live_version: Option<u32>,
    /// The live generation.
    pub generation: Option<i64>,
    /// Its checkpoint: it is folded up to here.
    pub position: u64,
    /// How many events it lags behind the head.
    pub lag: u64,
    /// How long the oldest event that is not folded yet has waited, in seconds.
    pub lag_seconds: f64,
    /// The number of its rows.
    pub rows: u64,
    /// `live`; `rebuilding` while a new generation is filled; `stale` while the rows are of another version; `failing`
    /// while an event cannot be folded; `missing` before its first start.
    pub state: &'static str,
    /// The number of parked rows; `GET /api/v1/projections/{name}/parked` lists them.
    pub parked: u64,
    /// Events folded per second in the last ten seconds: into the new generation if there is one, else into the live
    /// one. Null if unknown yet.
    pub rate: Option<f64>,
    /// The checkpoint of the new generation, if there is one.
    pub rebuilt_to: Option<u64>,
    /// Why it is failing, or why its last rebuild in this process failed; the rebuild is retried.
    pub error: Option<String>,
}

/// Whether a projection keeps up: cheap to compute, since no row is counted.
#[derive(Clone, Debug)]
pub struct Health {
    /// The projection.
    pub name: &'static str,
    /// How many events it lags behind the head.
    pub lag: u64,
    /// How long the oldest event that is not folded yet has waited.
    pub waiting: Duration,
    /// Whether an event cannot be folded.
    pub failing: bool,
    /// How many rows are parked.
    pub parked: u64,
}

impl LiveRunner {
    /// Whether every projection keeps up.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn health(&self) -> Result<Vec<Health>, StoreError> {
        let (head, generations) = (self.store.head().await?.position, self.store.generations().await?);
        let parked = self.store.parked_counts().await?;
        let errors = self.errors();
        let mut health = Vec::new();
        for projection in self.projections {
            let name = projection.name();
            let live = generations
                .iter()
                .find(|found| found.name == name && found.state == GenerationState::Live);
            let position = live.map_or(Position(0), |live| live.position);
            let seconds = lag_seconds(&*self.store, position, head, clock::now()).await?;
            let seen = self.waited(name, position, head);
            health.push(Health {
                name,
                lag: head.0.saturating_sub(position.0),
                waiting: Duration::from_secs_f64(seconds).max(seen),
                failing: errors.contains_key(name),
                parked: count_parked(&parked, live),
            });
        }
        Ok(health)
    }

    /// How long this process has seen a projection stay at a position behind the head, by a monotonic clock.
    fn waited(&self, name: &'static str, position: Position, head: Position) -> Duration {
        let mut lagging_since = self.lagging_since.lock().unwrap_or_else(PoisonError::into_inner);
        if position >= head {
            lagging_since.remove(name);
            return Duration::ZERO;
        }
        let now = Instant::now();
        let since = lagging_since.entry(name).or_insert((position, now));
        if since.0 != position {
            *since = (position, now);
        }
        now.duration_since(since.1)
    }

    /// The status of every projection.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn statuses(&self) -> Result<Vec<Status>, StoreError> {
        let errors = self.errors();
        let mut statuses = look(&*self.store, &self.rates()).await?;
        for status in &mut statuses {
            status.error = self
                .rebuilds
                .failure(status.name)
                .map(|error| format!("its rebuild failed: {error}"));
            if let Some(error) = errors.get(status.name) {
                status.state = "failing";
                status.error = Some(error.clone());
            }
        }
        Ok(statuses)
    }
}

/// The status of every projection at this moment, without rates.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn statuses(store: &dyn Store) -> Result<Vec<Status>, StoreError> {
    look(store, &Rates::default()).await
}

/// The status of every projection, with rates measured over `time`, which the call takes.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn statuses_with_rates(store: &dyn Store, time: Duration) -> Result<Vec<Status>, StoreError> {
    let mut rates = Rates::default();
    rates.note(&store.generations().await?, Instant::now());
    tokio::time::sleep(time).await;
    rates.note(&store.generations().await?, Instant::now());
    look(store, &rates).await
}

async fn look(store: &dyn Store, rates: &Rates) -> Result<Vec<Status>, StoreError> {
    let (head, generations) = (store.head().await?, store.generations().await?);
    let parked = store.parked_counts().await?;
    let mut statuses = Vec::new();
    for projection in projections::all() {
        let own = || generations.iter().filter(|found| found.name == projection.name());
        let live = own().find(|found| found.state == GenerationState::Live);
        let building = own().find(|found| found.state == GenerationState::Building);
        let position = live.map_or(Position(0), |live| live.position);
        let state = match (live, building) {
            (None, _) => "missing",
            (Some(_), Some(_)) => "rebuilding",
            (Some(live), None) if live.version != projection.version() => "stale",
            (Some(_), None) => "live",
        };
        statuses.push(Status {
            name: projection.name(),
            version: projection.version(),
            live_version: live.map(|live| live.version),
            generation: live.map(|live| live.generation),
            position: position.0,
            lag: head.position.0.saturating_sub(position.0),
            lag_seconds: lag_seconds(store, position, head.position, clock::now()).await?,
            rows: match live {
                Some(live) => store.row_count(live).await?,
                None => 0,
            },
            state,
            parked: count_parked(&parked, live),
            rate: building.or(live).and_then(|generation| rates.of(generation)),
            rebuilt_to: building.map(|building| building.position.0),
            error: None,
        });
    }
    Ok(statuses)
}

fn count_parked(parked: &[ParkedCount], live: Option<&Generation>) -> u64 {
    let of_live = |count: &&ParkedCount| {
        live.is_some_and(|live| (&live.name, live.generation) == (&count.name, count.generation))
    };
    parked.iter().find(of_live).map_or(0, |count| count.rows)
}
