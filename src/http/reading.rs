//! The state of the views that an answer shows: the current one, one not older than a position, or one as of an earlier
//! moment. Every answer has its position in the header `Warmledger-Position`.
//!
//! Views follow the log, so the position is read before the rows: an answer holds everything up to it, and may hold
//! events recorded while it was read. As of an earlier moment it holds exactly what was recorded until then.

use std::time::Duration;

use aggregates::{MailboxId, Position};
use axum::Json;
use axum::http::HeaderValue;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use projections::accounts::{AccountView, Accounts};
use projections::{AnyProjection, Projection};
use serde::Serialize;
use tokio::time::timeout;

use super::extract::Paging;
use super::list::{self, Conditions, Pin, ascending};
use super::problem::POSITION;
use super::wanted::Wanted;
use super::{App, Problem};
use crate::access::Caller;
use runner::{AsOfPoint, Moment};
use store::clock;
use store::{Comparison, Condition, Generation, GenerationState, RowQuery, SortOrder, StoreError, SumColumns};

/// How long a caller waits for views to reach a position.
const WAIT: Duration = Duration::from_secs(5);
/// How often to check what another process has folded.
const POLL: Duration = Duration::from_millis(100);
/// How long a caller waits for the rows as of an earlier moment. Folding continues after the time-out.
const FOLD_WAIT: Duration = Duration::from_secs(10);

/// The views in one state.
pub(super) struct Reading<'a> {
    app: &'a App,
    state: State,
}

enum State {
    /// The current rows, at least up to this position.
    Live(Position),
    /// As of a moment.
    AsOf {
        moment: Moment,
        instant: AsOfPoint,
        /// The rows of all keys, for a list; single keys are folded from their own events.
        snapshots: Vec<Generation>,
    },
}

impl<'a> Reading<'a> {
    /// Some rows of these views, by their keys.
    pub(super) async fn of_keys(app: &'a App, names: &[&str], wanted: Wanted) -> Result<Self, Problem> {
        let state = match wanted.as_of {
            None => State::Live(reached(app, names, wanted.at_least).await?),
            Some(as_of) => State::AsOf {
                moment: as_of.0,
                instant: as_of.as_of_point(app, "asOf").await?,
                snapshots: Vec::new(),
            },
        };
        Ok(Self { app, state })
    }

    /// A list of these views' rows, from the beginning or after a cursor. A moment that has to be folded for it counts
    /// against the caller's limit.
    pub(super) async fn of_list(
        app: &'a App,
        caller: &Caller,
        names: &[&str],
        wanted: Wanted,
        after: Option<&str>,
    ) -> Result<Self, Problem> {
        let pin = after.and_then(list::pin);
        let Some(as_of) = wanted.as_of else {
            if let Some((moment, _)) = pin {
                return Err(Problem::bad_request(format!(
                    "query parameter after: this page goes on from an answer as of {moment}; send asOf={moment} with it"
                )));
            }
            return Self::of_keys(app, names, wanted).await;
        };
        let moment = as_of.0;
        let mut instant = as_of.as_of_point(app, "asOf").await?;
        if after.is_some() {
            // a batch that was being written when the first page was read may be recorded by now
            match pin {
                Some((pinned, position)) if pinned == moment.to_string() && position <= instant.position.0 => {
                    instant.position = Position(position);
                }
                _ => {
                    return Err(Problem::bad_request(format!(
                        "query parameter after: is not a cursor that this list has given out as `next` as of {moment}"
                    )));
                }
            }
        }
        let projections: Vec<&'static dyn AnyProjection> =
            names.iter().filter_map(|name| projections::by_name(name)).collect();
        if !app.snapshots.are_there(&projections, instant.position).await? {
            app.moments.take(&caller.actor().id, 1)?;
        }
        let folding = app.snapshots.at(&projections, instant.position);
        let Ok(snapshots) = timeout(FOLD_WAIT, folding).await else {
            let position = instant.position;
            return Err(Problem::unavailable(format!(
                "the rows as of position {position} are still being folded; ask again for the same moment"
            )));
        };
        Ok(Self {
            app,
            state: State::AsOf {
                moment,
                instant,
                snapshots: snapshots?,
            },
        })
    }

    /// The position of the answer.
    fn position(&self) -> Position {
        match &self.state {
            State::Live(position) => *position,
            State::AsOf { instant, .. } => instant.position,
        }
    }

    /// The time of the answer.
    pub(super) fn time(&self) -> Timestamp {
        match &self.state {
            State::Live(_) => clock::now(),
            State::AsOf { instant, .. } => instant.time,
        }
    }

    /// The pin for cursors of this answer; none for the current views.
    pub(super) fn pin(&self) -> Option<Pin> {
        match &self.state {
            State::Live(_) => None,
            State::AsOf { moment, instant, .. } => Some((moment.to_string(), instant.position.0)),
        }
    }

    /// The answer, with its position.
    pub(super) fn answer<T>(&self, body: T) -> Answer<T> {
        Answer::new(self.position(), body)
    }

    /// The value, or a 404 with the answer's position.
    pub(super) fn found<T>(&self, found: Option<T>, detail: &str) -> Result<T, Problem> {
        found.ok_or_else(|| Problem::not_found(detail).at(self.position()))
    }

    fn query<P: Projection>(&self, conditions: Conditions, order: SortOrder, limit: u32) -> RowQuery {
        let mut query = list::query::<P>(conditions, order, limit);
        query.generations = self.generations();
        query
    }

    /// The generations that a list reads; empty for the live ones.
    pub(super) fn generations(&self) -> Vec<Generation> {
        match &self.state {
            State::Live(_) => Vec::new(),
            State::AsOf { snapshots, .. } => snapshots.clone(),
        }
    }

    /// A page of the rows of `P`.
    pub(super) async fn rows<P: Projection>(
        &self,
        conditions: Conditions,
        order: SortOrder,
        page: &Paging,
    ) -> Result<list::Rows<P::View>, Problem> {
        let limit = page.limit();
        // one more than the limit shows whether there is a next page
        let query = self.query::<P>(conditions, order, limit + 1);
        list::rows::<P>(&*self.app.store, query, limit, page.after(), self.pin()).await
    }

    /// How many rows of `P` there are for each value of a column.
    pub(super) async fn counts<P: Projection>(
        &self,
        conditions: Conditions,
        order: SortOrder,
        column: &'static str,
    ) -> Result<Vec<store::Count>, Problem> {
        let query = self.query::<P>(conditions, order, 0);
        Ok(self.app.store.counts(&query, column).await?)
    }

    /// Sums over the rows of `P`, for each value of a column.
    pub(super) async fn sums<P: Projection>(
        &self,
        conditions: Conditions,
        columns: SumColumns,
    ) -> Result<Vec<store::Sum>, Problem> {
        let query = self.query::<P>(conditions, ascending("key"), 0);
        Ok(self.app.store.sums(&query, columns).await?)
    }

    /// The accounts of mailboxes of a domain; missing ones are left out.
    pub(super) async fn accounts(
        &self,
        domain: &str,
        ids: &[&MailboxId],
    ) -> Result<Vec<(String, AccountView)>, Problem> {
        match &self.state {
            State::Live(_) => {
                let keys: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
                self.views::<Accounts>(&keys).await
            }
            State::AsOf { instant, .. } => {
                Ok(runner::accounts_as_of(&*self.app.store, domain, ids, instant.position).await?)
            }
        }
    }

    /// The view of one key.
    pub(super) async fn row<P: Projection>(&self, key: &str) -> Result<Option<P::View>, Problem> {
        let found = self.views::<P>(&[key]).await?.pop();
        Ok(found.map(|(_, view)| view))
    }

    /// The views of some keys; missing ones are left out.
    pub(super) async fn views<P: Projection>(&self, keys: &[&str]) -> Result<Vec<(String, P::View)>, Problem> {
        let store = &*self.app.store;
        if let State::AsOf { instant, snapshots, .. } = &self.state
            && snapshots.iter().all(|snapshot| snapshot.name != P::NAME)
            && let Some(projection) = projections::by_name(P::NAME)
        {
            let mut views = Vec::new();
            for key in keys {
                if let Some(document) = runner::as_of(store, projection, key, instant.position).await? {
                    let view = projections::document::read(&document)
                        .map_err(|error| StoreError::Corrupt(format!("a row of {}: {error}", P::NAME)))?;
                    views.push(((*key).to_owned(), view));
                }
            }
            return Ok(views);
        }
        // never more than the keys of one page
        let limit = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        let mut query = self.query::<P>(Conditions::default(), ascending("key"), limit);
        query.conditions.push(Condition {
            column: "key",
            comparison: Comparison::OneOf,
            values: keys.iter().map(|key| (*key).into()).collect(),
        });
        list::views::<P>(store, store.rows(&query).await?).await
    }
}

/// The position of the live rows of all these views, once they have reached `wanted`.
async fn reached(app: &App, names: &[&str], wanted: Option<Position>) -> Result<Position, Problem> {
    let mut position = live_position(app, names).await?;
    let Some(wanted) = wanted.filter(|wanted| *wanted > position) else {
        return Ok(position);
    };
    let head = app.store.head().await?.position;
    if wanted > head {
        return Err(Problem::bad_request(format!(
            "position {wanted}, which the answer has to include, is still to come: the log ends at {head}"
        )));
    }
    let waiting = async {
        let mut folded = app.live.reached();
        let mut told = false;
        while position < wanted {
            tokio::select! {
                _ = folded.wait_for(|reached| reached.all(names, wanted)), if !told => told = true,
                () = tokio::time::sleep(POLL) => {}
            }
            position = live_position(app, names).await?;
        }
        Ok(position)
    };
    let waited = tokio::select! {
        waited = timeout(WAIT, waiting) => waited,
        () = app.shutdown.cancelled() => {
            return Err(Problem::unavailable("the service is shutting down; try again later"));
        }
    };
    waited.unwrap_or_else(|_| {
        let detail = format!(
            "the views have not reached position {wanted} within {} s; they are at {position}; try again later",
            WAIT.as_secs()
        );
        Err(Problem::unavailable(detail).retry_after(1))
    })
}

async fn live_position(app: &App, names: &[&str]) -> Result<Position, Problem> {
    let generations = app.store.generations().await?;
    let position = |name: &&str| {
        let mut generations = generations.iter();
        let live = generations.find(|found| found.name == **name && found.state == GenerationState::Live);
        live.map_or(Position(0), |live| live.position)
    };
    Ok(names.iter().map(position).min().unwrap_or_default())
}

/// An answer with its position.
pub(super) struct Answer<T> {
    position: Position,
    body: T,
}

impl<T> Answer<T> {
    /// An answer at this position.
    pub(super) fn new(position: Position, body: T) -> Self {
        Self { position, body }
    }
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        let position = HeaderValue::from(self.position.0);
        ([(POSITION, position)], Json(self.body)).into_response()
    }
}
