//! A new generation beside the live one, compared with it and dropped.

use projections::AnyProjection;
use tokio_util::sync::CancellationToken;

use super::RunError;
use super::rebuild::{Progress, current};
use super::step::{Limits, Stepped, advance};
use super::target::Target;
use aggregates::Position;
use store::{Difference, Generation, GenerationState, Store};

/// How often a check follows live rows that advance.
const CHASES: usize = 1_000;
/// How many differing rows a check lists.
pub const LISTED: usize = 100;

/// The result of a check.
pub struct Checked {
    /// The projection.
    pub projection: &'static str,
    /// The position at which the rows were compared.
    pub position: Position,
    /// How many rows were compared.
    pub rows: u64,
    /// The rows that differ, at most [`LISTED`].
    pub differences: Vec<Difference>,
}

/// Rebuilds one projection beside the live rows, compares all rows at one position, and drops the rebuilt ones.
///
/// # Errors
/// [`RunError`], in particular [`RunError::OtherVersion`] if the live rows are of another version.
pub async fn check(
    store: &dyn Store,
    projection: &'static dyn AnyProjection,
    mut progress: impl FnMut(Progress) + Send,
    shutdown: &CancellationToken,
) -> Result<Checked, RunError> {
    let name = projection.name();
    // the generation made by this check
    let mut made = None;
    for _ in 0..CHASES {
        // another check or a rebuild may be filling one: then both continue it
        let before = store.generations().await?;
        let generation = store
            .create_generation(name, projection.version(), projection.columns())
            .await?;
        let same = |found: &Generation| found.name == name && found.generation == generation.generation;
        if !before.iter().any(same) {
            made = Some(generation.generation);
        }
        let head = store.head().await?.position;
        let mut targets = [Target::to_fill(projection, generation, head)];
        let result = compare(store, &mut targets, &mut progress, shutdown).await;
        let [Target { generation, .. }] = &targets;
        match result {
            Ok(Some(checked)) => {
                if made == Some(generation.generation) {
                    store.drop_generation(generation).await?;
                }
                return Ok(checked);
            }
            Ok(None) => {}
            // dropped by another process; a new generation may have its number by now
            Err(RunError::Store(error)) if error.is_missing_table() => {}
            Err(RunError::Store(error)) if !error.is_transient() && current(store, generation).await?.is_none() => {}
            Err(error) => return Err(error),
        }
    }
    Err(RunError::TooFast(name))
}

/// Folds up to the live rows' checkpoint and compares. None if either has advanced meanwhile.
async fn compare(
    store: &dyn Store,
    targets: &mut [Target; 1],
    progress: &mut (impl FnMut(Progress) + Send),
    shutdown: &CancellationToken,
) -> Result<Option<Checked>, RunError> {
    let projection = targets[0].projection;
    let (name, version) = (projection.name(), projection.version());
    let live = loop {
        if shutdown.is_cancelled() {
            return Err(RunError::Cancelled);
        }
        let generations = store.generations().await?;
        let mut generations = generations.into_iter();
        let live = generations.find(|found| found.name == name && found.state == GenerationState::Live);
        let Some(live) = live else {
            return Err(RunError::OtherVersion(name, 0, version));
        };
        if live.version != version {
            return Err(RunError::OtherVersion(name, live.version, version));
        }
        let step = advance(store, targets, &Limits::REBUILD, Some(live.position), None).await?;
        progress(Progress {
            position: targets[0].generation.position,
            head: live.position,
        });
        match step {
            Stepped::UpToDate => break live,
            Stepped::Advanced { .. } => {}
            Stepped::Overtaken => return Ok(None),
        }
    };
    let rebuilt = &targets[0].generation;
    let differences = store
        .differences(&live, rebuilt, projection.columns(), LISTED as u32)
        .await?;
    let Some(differences) = differences else {
        return Ok(None);
    };
    Ok(Some(Checked {
        projection: name,
        position: rebuilt.position,
        rows: store.row_count(rebuilt).await?,
        differences,
    }))
}
