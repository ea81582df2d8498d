//! `warmledger projections parked` and `retry`

use std::process::ExitCode;

use aggregates::Position;
use anyhow::bail;
use jiff::Timestamp;
use projections::AnyProjection;
use serde::Serialize;
use serde_json::json;

use crate::cli::output::ListArgs;
use crate::cli::{CHECK_FAILED, output};
use store::Store;

/// A parked row, as it is printed.
#[derive(Serialize)]
struct ParkedItem {
    projection: String,
    key: String,
    position: Position,
    error: String,
    since: Timestamp,
}

/// Prints the parked rows of one projection or of all.
pub(super) async fn list(
    store: &dyn Store,
    one: Option<&'static dyn AnyProjection>,
    args: ListArgs,
) -> anyhow::Result<()> {
    let rows = runner::parked(store, one.map(|projection| projection.name())).await?;
    let rows = rows.into_iter().map(|row| ParkedItem {
        projection: row.name,
        key: row.parked.key,
        position: row.parked.position,
        error: row.parked.error,
        since: row.parked_at,
    });
    args.print(
        rows.collect(),
        ["projection", "key", "position", "since", "error"],
        |row| {
            [
                row.projection.clone(),
                row.key.clone(),
                row.position.to_string(),
                row.since.to_string(),
                row.error.clone(),
            ]
        },
    )
}

/// Retries parked rows, and prints those that still fail.
pub(super) async fn retry(
    store: &dyn Store,
    projection: &'static dyn AnyProjection,
    key: Option<&str>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let retried = runner::retry(store, projection, key).await?;
    let (mended, parked) = (retried.mended, retried.parked);
    if let Some(key) = key.filter(|_| mended.is_empty() && parked.is_empty()) {
        bail!(
            "no row {key:?} of {} is parked; `warmledger projections parked` lists those that are",
            projection.name()
        );
    }
    eprintln!("{} mended, {} still parked", mended.len(), parked.len());
    let exit = match parked.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(CHECK_FAILED),
    };
    if json {
        let parked: Vec<_> = parked
            .iter()
            .map(|parked| json!({"key": parked.key, "position": parked.position, "error": parked.error}))
            .collect();
        output::print_json(&json!({"mended": mended, "parked": parked}))?;
    } else if !parked.is_empty() {
        let rows: Vec<_> = parked
            .into_iter()
            .map(|parked| [parked.key, parked.position.to_string(), parked.error])
            .collect();
        output::print(&output::table(["key", "position", "error"], &rows))?;
    }
    Ok(exit)
}
