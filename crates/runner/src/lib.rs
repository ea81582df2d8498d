//! The runner folds the log into the projections' rows and keeps them up to date.
//!
//! Layout
//! - `live`: the task that keeps the live generations up to date
//! - `step`, `rows`, `target`: one step: read events, fold them into rows, write these and the checkpoint in one
//!   transaction; the rows of one projection; its generation
//! - `pages`: the events of a step, read on demand or prefetched
//! - `history`, `parked`: the events that touch a row; retries of parked rows
//! - `lag`, `rates`, `status`: the lag of the views; how fast checkpoints move; the status of the projections
//!
//! rebuilds
//! - `rebuild`, `check`: a new generation beside the live one: made live when it has caught up; compared with it
//! - `row_filter`: which rows a generation may have if it is filled from its beginning
//! - `pace`: throttles a rebuild while webhooks come in, on a store with one writer
//! - `auto_rebuild`, `rebuild_locks`: automatic rebuilds by the service; which projections this process is rebuilding
//!
//! the past
//! - `as_of`, `accounts`: one row as of an earlier moment; mailboxes as of one
//! - `snapshots`: all rows as of an earlier moment
//! - `diff`: the changes of one row between two moments, and the events that made them
//! - `erased`: masks erased credentials in past rows

mod accounts;
mod as_of;
mod auto_rebuild;
mod check;
mod diff;
mod erased;
mod history;
mod lag;
mod live;
mod pace;
mod pages;
mod parked;
mod rates;
mod rebuild;
mod rebuild_locks;
mod row_filter;
mod rows;
mod snapshots;
mod status;
mod step;
mod target;

pub use accounts::accounts_as_of;
use aggregates::Position;
pub use as_of::{AsOfPoint, Moment, NotAMoment, NotYet, as_of, as_of_point, item_as_of};
pub use auto_rebuild::{LockedRebuild, NotNow};
pub use check::{Checked, LISTED, check};
pub use diff::{Change, ChangedBy, Diff, Fields, diff, fields};
pub use history::{domains_by, domains_of_order, history, orders_of_domain};
pub use lag::lag_seconds;
pub use live::{LiveRunner, Reached};
pub use parked::{Retried, parked, retry};
pub use rebuild::{Progress, rebuild, rebuild_within};
pub use snapshots::Snapshots;
pub use status::{Health, Status, statuses, statuses_with_rates};
pub use step::Limits;

use store::StoreError;

/// Why a projection could not be advanced.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The projection's `keys` panicked over an event: the projection stops there.
    #[error("projection {projection} panicked over the event at position {position}; the log says where")]
    Keys {
        /// The projection.
        projection: &'static str,
        /// The event.
        position: Position,
    },
    /// An event could not be folded into a row.
    #[error("projection {projection}, row {key:?}: {error}")]
    Fold {
        /// The projection.
        projection: &'static str,
        /// The row.
        key: String,
        /// The error.
        error: String,
    },
    /// The live rows were made by another version of the projection, so this one must not compare or change them.
    #[error("projection {0}: the live rows were made by version {1}, this is version {2}; rebuild it first")]
    OtherVersion(&'static str, u32, u32),
    /// The live rows moved on faster than the rebuild could follow.
    #[error("projection {0}: the live rows moved on too fast to be compared; try again when there is less to do")]
    TooFast(&'static str),
    /// The rows being folded were dropped or changed.
    #[error("the rows that were being folded are gone; try again")]
    Disturbed,
    /// Too many snapshots are kept or waiting to be dropped.
    #[error("the rows of too many moments are kept at the moment; ask again in some seconds")]
    TooManyMoments,
    /// The work was cancelled; a rebuild resumes where it stopped.
    #[error("stopped; the rebuild resumes where it stopped")]
    Cancelled,
}

impl RunError {
    /// Whether the cause is one projection: it panics, or the store refuses its rows.
    fn is_its_own(&self) -> bool {
        match self {
            Self::Keys { .. } | Self::Fold { .. } => true,
            Self::Store(error) => !error.is_transient(),
            Self::OtherVersion(..) | Self::TooFast(_) | Self::Disturbed | Self::TooManyMoments | Self::Cancelled => {
                false
            }
        }
    }
}
