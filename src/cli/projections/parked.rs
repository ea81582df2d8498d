//! `warmledger projections parked` and `retry`

use std::process::ExitCode;

use anyhow::bail;
use projections::AnyProjection;
use serde_json::json;

use crate::cli::{CHECK_FAILED, output};
use crate::runner;
use crate::store::Store;

/// Prints the rows that stand still, of one projection or of all.
pub(super) async fn list(store: &dyn Store, one: Option<&'static dyn AnyProjection>, json: bool) -> anyhow::Result<()> {
    let rows = runner::parked(store, one.map(|projection| projection.name())).await?;
    if json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                let parked = &row.parked;
                json!({
                    "projection": row.name,
                    "key": parked.key,
                    "position": parked.position,
                    "error": parked.error,
                    "since": row.parked_at,
                })
            })
            .collect();
        return output::print_json(&rows);
    }
    let rows: Vec<_> = rows
        .into_iter()
        .map(|row| {
            let parked = row.parked;
            [
                row.name,
                parked.key,
                parked.position.to_string(),
                row.parked_at.to_string(),
                parked.error,
            ]
        })
        .collect();
    Ok(output::print(&output::table(
        ["projection", "key", "position", "since", "error"],
        &rows,
    ))?)
}

/// Tries parked rows again, and prints those that still fail.
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
