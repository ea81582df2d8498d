//! The runner folds the log into the projections' rows and keeps them up to date.
//!
//! Layout
//! - `accounts`: mailboxes as they stood at an earlier moment
//! - `step`: one step, whoever takes it: read events, fold them, write rows and checkpoint in one transaction
//! - `pages`: the events of a step, read when they are needed or ahead of that
//! - `as_of`: one row as it stood at an earlier moment
//! - `history`: the events that a row rests on
//! - `rebuild_locks`: which projections this process is rebuilding
//! - `erased`: what is taken back of a row as it stood, since somebody was erased
//! - `auto_rebuild`: the rebuilds that nobody has to ask for
//! - `live`: the task that keeps the live generations up to date
//! - `lag`: how late the views are
//! - `diff`: what changed in one row between two moments, and by which events
//! - `pace`: how fast folding may go while webhooks come in
//! - `parked`: trying again what could not be folded
//! - `rates`: how fast checkpoints move
//! - `snapshots`: all rows as they stood at an earlier moment
//! - `status`: how the projections are doing
//! - `seen`: which rows a generation may have that is filled from its beginning
//! - `rebuild`: a new generation beside the live one, switched when it has caught up, or compared with it

mod accounts;
mod as_of;
mod auto_rebuild;
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
mod seen;
mod snapshots;
mod status;
mod step;

pub use accounts::accounts_as_of;
use aggregates::Position;
pub use as_of::{AsOfPoint, Moment, NotAMoment, NotYet, as_of, instant, item_as_of};
pub use auto_rebuild::{LockedRebuild, NotNow};
pub use diff::{Change, ChangedBy, Diff, Fields, diff, fields};
pub use history::{domains_by, domains_of_order, history, orders_by};
pub use lag::lag_seconds;
pub use live::{LiveRunner, Reached};
pub use parked::{Retried, parked, retry};
pub use rebuild::{Checked, LISTED, Progress, check, rebuild, rebuild_within};
pub use snapshots::Snapshots;
pub use status::{Health, Status, statuses, statuses_with_rates};
pub use step::Limits;

use store::StoreError;

/// Why a projection could not be moved on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be told which rows an event touches: the projection stops there.
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
        /// What is wrong.
        error: String,
    },
    /// The live rows were made by another version of the projection, and are not for this one to compare or change.
    #[error("projection {0}: the live rows were made by version {1}, this is version {2}; rebuild it first")]
    OtherVersion(&'static str, u32, u32),
    /// The live rows moved on faster than the rebuild could follow.
    #[error("projection {0}: the live rows moved on too fast to be compared; try again when there is less to do")]
    TooFast(&'static str),
    /// What was being folded is not there any more, or not as it was left.
    #[error("the rows that were being folded are gone; try again")]
    Disturbed,
    /// Too many snapshots are kept or waiting to be dropped.
    #[error("the rows of too many moments are kept at the moment; ask again in some seconds")]
    TooManyMoments,
    /// The work was cut short; a rebuild resumes where it stopped.
    #[error("stopped; the rebuild resumes where it stopped")]
    Cancelled,
}

impl RunError {
    /// Whether the trouble is that of one projection: it panics, or the store refuses its rows.
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
