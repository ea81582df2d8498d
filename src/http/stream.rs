//! `/api/v1/events/stream`: the feed as server-sent events.
//!
//! Format: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use aggregates::{ActorId, Position};
use axum::http::{HeaderMap, header};
use axum::response::sse::{self, Sse};
use futures_util::StreamExt;
use futures_util::stream::{iter, unfold};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::auth::{Audit, Scope};
use super::events::{Choice, Chosen};
use super::prelude::*;
use crate::access::{Authority, Permit, Read, TokenError};
use crate::feed::{self, CloudEvent, SEEN_EVERY};
use store::{ConsumerName, EventFilter, Store, StoreError, StoredEvent};

/// The header by which a reader resumes.
const LAST_EVENT_ID: &str = "last-event-id";
/// Events per read: what one reader costs in memory.
const PAGE: u32 = 100;
/// Positions that a filter scans per read.
const WINDOW: u64 = 10_000;
/// The least time between two reads of new events: under load each read gets several.
const SPACING: Duration = Duration::from_millis(50);
/// How often a reader gets its position while its filter skips events.
const PROGRESS: Duration = Duration::from_secs(1);
/// After how long a reader reconnects.
const RETRY: Duration = Duration::from_secs(1);

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(stream))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// Only events after this position, unless there is a `Last-Event-ID`.
    #[param(value_type = Option<u64>)]
    after: Option<Number>,
}

/// The feed as it happens: all events after a position, then each as it is recorded, until the reader goes or the
/// service stops.
///
/// `id` is the event's position, `event` its type, `data` the event as in `GET /api/v1/events`. A reader that connects
/// again with the last `id` as `Last-Event-ID`, as browsers do, misses nothing and sees nothing twice. A block of `id`
/// alone, without data, comes at the beginning, with each heartbeat and now and then while a filter leaves out events:
/// everything up to there has been looked at. It sets the last event id and dispatches nothing.
///
/// The first read with a token from an address is recorded, once an hour, and so is in the stream itself.
///
/// Once the token is revoked or has expired, a comment says so, and the stream ends within two seconds.
///
/// After the time of `heartbeat_seconds` without an event a comment and an `id` are sent. A slow reader is read for
/// slowly; it holds up nobody else. Commits of a named consumer's checkpoint are its own to make.
#[utoipa::path(
    get, path = "/api/v1/events/stream", operation_id = "streamEvents", tag = "events",
    params(
        Parameters, Choice,
        ("Last-Event-ID" = Option<u64>, Header, description = "The last `id` that was received; goes before `after`.")
    ),
    security(("bearer" = ["audit"])),
    responses(
        (status = 200, body = String, content_type = "text/event-stream", description = "The stream."),
        (status = 404, description = "No such consumer."),
        (status = 429, description = "The token has `streams_per_token` streams open; see `Retry-After`.")
    )
)]
async fn stream(
    scope: Scope<Audit>,
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    choice: Choice,
    Query(Parameters { after }): Query<Parameters>,
) -> Result<impl IntoResponse, Problem> {
    let after = last_event_id(&headers)?.or(after.map(|after| after.0));
    let Chosen {
        filter,
        after,
        consumer,
    } = choice.resolve(&*app.store, after).await?;
    let head = app.store.head().await?.position;
    if after > head {
        let detail =
            format!("there is no event at position {after} yet, the newest is at {head}: is it another ledger's?");
        return Err(Problem::bad_request(detail));
    }
    let open = open(&app, &scope.caller().actor().id)?;
    app.journal.read(scope.caller(), Read::Feed(after)).await?;
    let follower = Follower {
        store: Arc::clone(&app.store),
        head: app.head.clone(),
        shutdown: app.shutdown.clone(),
        heartbeat: app.heartbeat,
        filter,
        cursor: after,
        consumer: consumer.map(|consumer| (consumer.name, Instant::now())),
        authority: authority(&scope, &app),
        ended: false,
        begun: false,
        sent: Instant::now(),
        next_read: Instant::now(),
        _open: open,
    };
    let pages = unfold(follower, |mut follower| async move {
        let page = follower.next().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "an event stream is ended; its reader can resume");
            None
        })?;
        Some((iter(page.into_iter().map(Ok::<_, Infallible>)), follower))
    });
    let headers = [
        (header::CACHE_CONTROL.as_str(), "no-store"),
        // stops proxies from buffering the stream
        ("x-accel-buffering", "no"),
    ];
    Ok((headers, Sse::new(pages.flatten())))
}

/// The reader's position. An empty header counts as absent.
fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let position = value.to_str().ok().and_then(|text| text.parse().ok());
    let refusal = || Problem::bad_request("the Last-Event-ID header has to be an id of this stream: a position");
    position.map(Some).ok_or_else(refusal)
}

/// The stream's token; the stream ends with it.
fn authority<S>(scope: &Scope<S>, app: &App) -> Option<Authority> {
    let token = scope.caller().token()?;
    Some(Authority::new(Arc::clone(&app.tokens), token))
}

/// Opens one more stream of a token, within its limit.
fn open(app: &App, id: &ActorId) -> Result<Open, Problem> {
    let permit = app.streams.begin(id)?;
    let room = Arc::clone(&app.stream_room).try_acquire_owned().map_err(|_| {
        Problem::unavailable(
            "half of all connections are event streams already; end one, ask for pages, or raise max_connections",
        )
    })?;
    Ok(Open::new(permit, room))
}

/// An open stream, counted in a metric.
struct Open {
    _permit: Permit<ActorId>,
    _room: OwnedSemaphorePermit,
}

impl Open {
    fn new(permit: Permit<ActorId>, room: OwnedSemaphorePermit) -> Self {
        metrics::gauge!("warmledger_event_streams").increment(1);
        Self {
            _permit: permit,
            _room: room,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::gauge!("warmledger_event_streams").decrement(1);
    }
}

/// One reader's position in the feed. It reads a page when the connection has room for more, and never ahead.
struct Follower {
    store: Arc<dyn Store>,
    head: watch::Receiver<Position>,
    shutdown: CancellationToken,
    heartbeat: Duration,
    filter: EventFilter,
    cursor: Position,
    consumer: Option<(ConsumerName, Instant)>,
    /// The stream's token; none for the admin token of the settings, which does not expire.
    authority: Option<Authority>,
    /// Whether the token has ended, and the reader was told so.
    ended: bool,
    begun: bool,
    sent: Instant,
    next_read: Instant,
    _open: Open,
}

impl Follower {
    /// The events to send next; none at the end.
    async fn next(&mut self) -> Result<Option<Vec<sse::Event>>, StoreError> {
        if !self.begun {
            self.begun = true;
            return Ok(Some(self.reached(sse::Event::default().retry(RETRY))));
        }
        if self.ended {
            return Ok(None);
        }
        let shutdown = self.shutdown.clone();
        let mut authority = self.authority.take();
        // a slow reader is checked only now: its token is checked before the next read
        let stands = match &mut authority {
            Some(authority) => authority.check().await,
            None => Ok(()),
        };
        let ended = async {
            match (stands, &mut authority) {
                (Err(error), _) => error,
                (Ok(()), Some(authority)) => authority.ended().await,
                (Ok(()), None) => pending().await,
            }
        };
        let next = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(None),
            error = ended => Err(error),
            events = self.events_or_heartbeat() => Ok(events?),
        };
        self.authority = authority;
        Ok(match next {
            Ok(events) => events,
            Err(TokenError::Store(error)) => return Err(error),
            Err(error) => {
                self.ended = true;
                Some(vec![sse::Event::default().comment(error.to_string())])
            }
        })
    }

    async fn events_or_heartbeat(&mut self) -> Result<Option<Vec<sse::Event>>, StoreError> {
        loop {
            let head = *self.head.borrow_and_update();
            if self.cursor < head {
                sleep_until(self.next_read).await;
                let until = head.min(Position(self.cursor.0.saturating_add(WINDOW)));
                let page = feed::page(&*self.store, &self.filter, self.cursor, until, PAGE).await?;
                self.cursor = page.position;
                if self.cursor >= head {
                    self.next_read = Instant::now() + SPACING;
                }
                if !page.events.is_empty() {
                    self.note_seen().await?;
                    self.sent = Instant::now();
                    return page.events.into_iter().map(event).collect::<Result<_, _>>().map(Some);
                }
                if self.sent.elapsed() >= PROGRESS {
                    return Ok(Some(self.reached(sse::Event::default())));
                }
                continue;
            }
            tokio::select! {
                changed = self.head.changed() => if changed.is_err() {
                    return Ok(None);
                },
                () = sleep_until(self.sent + self.heartbeat) => {
                    self.note_seen().await?;
                    return Ok(Some(self.reached(sse::Event::default().comment("heartbeat"))));
                }
            }
        }
    }

    /// Sends the reader's position without an event.
    fn reached(&mut self, event: sse::Event) -> Vec<sse::Event> {
        self.sent = Instant::now();
        vec![event.id(self.cursor.to_string())]
    }

    async fn note_seen(&mut self) -> Result<(), StoreError> {
        if let Some((name, noted)) = &mut self.consumer
            && noted.elapsed() >= SEEN_EVERY
        {
            self.store.consumer_seen(name).await?;
            *noted = Instant::now();
        }
        Ok(())
    }
}

/// An event in the stream's format.
fn event(event: StoredEvent) -> Result<sse::Event, StoreError> {
    let sent = sse::Event::default()
        .id(event.position.to_string())
        .event(&event.type_name);
    Ok(sent.data(CloudEvent::try_from(event)?.to_json()?))
}
