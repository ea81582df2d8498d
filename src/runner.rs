//! The runner folds the log into the projections' rows and keeps them up to date.
//!
//! Layout
//! - `advance`: one step: read events, fold them, write rows and checkpoint in one transaction
//! - `as_of`: one row as it stood at an earlier moment
//! - `claims`: which projections this process is rebuilding
//! - `flood`: when webhooks go before views
//! - `live`: the task that keeps the live generations up to date
//! - `parked`: trying again what could not be folded
//! - `status`: how the projections are doing
//! - `rebuild`: a new generation beside the live one, switched when it has caught up, or compared with it

mod advance;
mod as_of;
mod claims;
mod flood;
mod live;
mod parked;
mod rebuild;
mod status;

use aggregates::Position;
pub use as_of::{Moment, NotAMoment, as_of, history, position_at};
pub use live::LiveRunner;
pub use parked::{Retried, retry};
pub use rebuild::{Checked, LISTED, Progress, check, rebuild};
pub(crate) use status::lag_seconds;
pub use status::{Health, Status, statuses};

use crate::store::StoreError;

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
    /// The live rows were made by another version of the projection, so there is nothing to compare with.
    #[error(
        "projection {0}: the live rows were made by version {1}, this is version {2}; rebuild it instead of checking it"
    )]
    OtherVersion(&'static str, u32, u32),
    /// The live rows moved on faster than the rebuild could follow.
    #[error("projection {0}: the live rows moved on too fast to be compared; try again when there is less to do")]
    TooFast(&'static str),
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
            Self::OtherVersion(..) | Self::TooFast(_) | Self::Cancelled => false,
        }
    }
}
