//! Serving connections within limits, so that a caller who holds some open cannot keep others out: the number of
//! connections, the time-outs of each step, and the bytes of request bodies in memory.
//!
//! Layout
//! - `seat`: the state of each connection, and which one is closed when there are too many
//! - `line`: a connection's bytes, with time-outs
//! - `body`: a request's body, with a time-out and within the budget

mod body;
mod line;
mod seat;

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use body::{Arriving, Held, Leaving};
pub(super) use body::{Cut, Fate};
use line::Line;
use seat::{Seat, Seats, Taken};

/// How long connections may take to finish when the service stops, before they are cut. Container engines kill after
/// ten seconds, and the writer has to end within them too.
const FAREWELL: Duration = Duration::from_secs(5);
/// File descriptors kept for the database, files and the relay.
const RESERVED_DESCRIPTORS: u64 = 128;
/// Pause after a failed accept for want of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);

/// The address of a connection's other end.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Limits for all connections together.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most connections.
    pub connections: NonZeroUsize,
    /// The most bytes of requests held in memory.
    pub body_bytes: NonZeroUsize,
}

impl Limits {
    /// The same, with no more connections than this process has descriptors for.
    pub fn within_descriptors(self) -> Self {
        let Some(descriptors) = getrlimit(Resource::Nofile).current else {
            return self;
        };
        let room = descriptors - RESERVED_DESCRIPTORS.min(descriptors / 2);
        let room = usize::try_from(room).ok().and_then(NonZeroUsize::new);
        let connections = room.map_or(self.connections, |room| room.min(self.connections));
        if connections < self.connections {
            tracing::warn!(
                "at most {connections} connections are taken instead of {}, since this process may open {descriptors} \
                 files only: raise that limit (ulimit -n), or lower max_connections",
                self.connections
            );
        }
        Self { connections, ..self }
    }
}

/// Serves until `shutdown`; then each connection may finish its request, and is cut after five seconds.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, shutdown: CancellationToken) {
    let seats = Seats::new(limits.connections.get(), limits.body_bytes.get());
    let connections = TaskTracker::new();
    while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause_after(error).await;
                continue;
            }
        };
        let seat = match seats.take() {
            Taken::Free(seat) => seat,
            Taken::InPlaceOf(seat, doing) => {
                tracing::warn!(
                    "there are {} connections, as many as there may be: for each new one the longest that was {doing} is \
                     closed",
                    limits.connections
                );
                seat
            }
            Taken::None => {
                tracing::warn!(
                    "there are {} connections, as many as there may be, and all are being answered: a new one is closed",
                    limits.connections
                );
                continue;
            }
        };
        connections.spawn(hold(stream, peer, router.clone(), seat, shutdown.clone()));
    }
    drop((listener, router));
    connections.close();
    if timeout(FAREWELL, connections.wait()).await.is_err() {
        tracing::warn!("{} connections that do not end are cut", connections.len());
        seats.cut_all();
        connections.wait().await;
    }
}

async fn pause_after(error: io::Error) {
    // the other end has closed it already
    if matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    ) {
        return;
    }
    tracing::warn!(%error, "a connection could not be accepted; the next one is tried in a moment");
    sleep(PAUSE).await;
}

/// Serves one connection to its end.
async fn hold(stream: TcpStream, peer: SocketAddr, router: Router, seat: Arc<Seat>, shutdown: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection has gone already");
        return;
    }
    let service = service_fn(|request| answer(router.clone(), peer, Arc::clone(&seat), request));
    let io = TokioIo::new(Line::new(stream, Arc::clone(&seat)));
    let mut server = http1::Builder::new();
    // `Line` has the time-outs, as it knows more about the state
    server.header_read_timeout(None);
    let mut connection = pin!(server.serve_connection(io, service));
    let ended = tokio::select! {
        biased;
        () = seat.cut.cancelled() => return,
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                () = seat.cut.cancelled() => return,
                ended = connection => ended,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(
    router: Router,
    peer: SocketAddr,
    seat: Arc<Seat>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    seat.begin(&request);
    // received bytes count until the answer is ready
    let held = Arc::new(Held::new(Arc::clone(&seat)));
    let mut request = request.map(|body| Body::new(Arriving::new(body, Arc::clone(&held))));
    request.extensions_mut().insert(ConnectInfo(Peer(peer)));
    request.extensions_mut().insert(Fate::of(&held));
    let response = router.oneshot(request).await?;
    seat.arrived();
    Ok(response.map(|body| Body::new(Leaving::new(body, seat))))
}
