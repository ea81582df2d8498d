//! `warmledger projections as-of` and `diff`: one row at an earlier moment, and what changed between two.

use aggregates::Position;
use anyhow::{anyhow, bail};
use clap::Args;
use projections::AnyProjection;
use serde_json::{Value, json};

use super::output;
use runner::{Change, Moment};
use store::Store;

/// A row, and the moment of interest.
#[derive(Args)]
pub struct AsOfArgs {
    /// The projection's name
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The row's key: an order's id for orders, a domain for mailboxes, a subscription's id for renewals
    #[arg(value_name = "KEY")]
    pub key: String,
    /// A position, an RFC 3339 time, or a date (its start in UTC)
    #[arg(long, value_name = "MOMENT")]
    pub at: Moment,
    /// Print a JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// A row, and two moments.
#[derive(Args)]
pub struct DiffArgs {
    /// The projection's name
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The row's key: an order's id for orders, a domain for mailboxes, a subscription's id for renewals
    #[arg(value_name = "KEY")]
    pub key: String,
    /// The moment before the changes: a position, an RFC 3339 time, or a date (its start in UTC)
    #[arg(long, value_name = "MOMENT")]
    pub from: Moment,
    /// The moment after them [default: now]
    #[arg(long, value_name = "MOMENT")]
    pub to: Option<Moment>,
    /// Print a JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Prints a row as of a moment.
///
/// # Errors
/// If the moment is in the future, or there was no such row.
pub(super) async fn as_of(
    store: &dyn Store,
    projection: &'static dyn AnyProjection,
    args: &AsOfArgs,
) -> anyhow::Result<()> {
    let position = position(store, args.at).await?;
    let Some(row) = runner::item_as_of(store, projection, &args.key, position).await? else {
        bail!(no_row(projection, &args.key, position));
    };
    if args.json {
        return output::print_json(&json!({
            "projection": projection.name(), "key": args.key, "position": position, "row": row,
        }));
    }
    eprintln!("{} {} as of position {position}", projection.name(), args.key);
    let rows: Vec<_> = runner::fields(&row)
        .into_iter()
        .map(|(path, value)| [path, text(&value)])
        .collect();
    Ok(output::print(&output::table(["field", "value"], &rows))?)
}

/// Prints the changes of a row, and the events that caused them.
///
/// # Errors
/// If a moment is in the future, or there was no such row.
pub(super) async fn diff(
    store: &dyn Store,
    projection: &'static dyn AnyProjection,
    args: &DiffArgs,
) -> anyhow::Result<()> {
    let from = position(store, args.from).await?;
    let to = match args.to {
        Some(to) => position(store, to).await?,
        None => store.head().await?.position,
    };
    if from > to {
        bail!("--from is position {from}, which is after --to, position {to}");
    }
    let Some(diff) = runner::diff(store, projection, &args.key, from, to).await? else {
        bail!(no_row(projection, &args.key, to));
    };
    if args.json {
        return output::print_json(&diff);
    }
    eprintln!("{} {} after position {from}, up to {to}", diff.projection, diff.key);
    let rows: Vec<_> = diff.changes.iter().map(line).collect();
    Ok(output::print(&output::table(
        ["field", "before", "after", "by"],
        &rows,
    ))?)
}

fn line(change: &Change) -> [String; 4] {
    let events = change
        .events
        .iter()
        .map(|event| format!("{} {} {}", event.position, event.type_name, event.recorded_at));
    [
        change.path.clone(),
        text(&change.before),
        text(&change.after),
        events.collect::<Vec<_>>().join(", "),
    ]
}

/// A value for people.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

async fn position(store: &dyn Store, moment: Moment) -> anyhow::Result<Position> {
    let instant = runner::as_of_point(store, moment).await;
    Ok(instant.map_err(|error| anyhow!(error))?.position)
}

fn no_row(projection: &dyn AnyProjection, key: &str, position: Position) -> String {
    format!("{} has no row {key:?} as of position {position}", projection.name())
}
