//! A request's body being received, and an answer's being sent.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::super::Problem;
use super::seat::{BODY_TIMEOUT, Seat};

/// Why the rest of a body is no longer awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::http) enum Cut {
    #[error("the body did not arrive within 10 s")]
    TooSlow,
    #[error("too many bytes of bodies are under way; send it again later")]
    NoRoom,
}

impl From<Cut> for Problem {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::TooSlow => Self::new(StatusCode::REQUEST_TIMEOUT, cut.to_string()),
            Cut::NoRoom => Self::new(StatusCode::SERVICE_UNAVAILABLE, cut.to_string()).retry_after(1),
        }
    }
}

/// Request extension: whether its body was cut.
#[derive(Clone)]
pub(in crate::http) struct Fate(Arc<Held>);

impl Fate {
    pub(super) fn of(held: &Arc<Held>) -> Self {
        Self(Arc::clone(held))
    }

    /// Why the rest of the body was not awaited, if so.
    pub(in crate::http) fn cut(&self) -> Option<Cut> {
        self.0.cut.get().copied()
    }
}

/// The received bytes of a body. They count against the budget until this is dropped.
pub(super) struct Held {
    seat: Arc<Seat>,
    bytes: AtomicUsize,
    cut: OnceLock<Cut>,
}

impl Held {
    pub(super) fn new(seat: Arc<Seat>) -> Self {
        Self {
            seat,
            bytes: AtomicUsize::new(0),
            cut: OnceLock::new(),
        }
    }

    fn cut(&self, cut: Cut) -> Cut {
        *self.cut.get_or_init(|| {
            let reason = match cut {
                Cut::TooSlow => "slow_body",
                Cut::NoRoom => "no_room_for_body",
            };
            metrics::counter!("warmledger_connections_closed_total", "reason" => reason).increment(1);
            cut
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.seat.release_bytes(*self.bytes.get_mut());
    }
}

/// A request body being received.
pub(super) struct Arriving {
    incoming: Incoming,
    held: Arc<Held>,
    /// None if the body is empty.
    patience: Option<Patience>,
}

/// When the body times out, and when it is shed for others.
struct Patience {
    late: Pin<Box<Sleep>>,
    shed: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Arriving {
    pub(super) fn new(incoming: Incoming, held: Arc<Held>) -> Self {
        use hyper::body::Body as _;
        let patience = (!incoming.is_end_stream()).then(|| {
            let shed = held.seat.shed().clone().cancelled_owned();
            Patience {
                late: Box::pin(sleep(BODY_TIMEOUT)),
                shed: Box::pin(shed),
            }
        });
        Self {
            incoming,
            held,
            patience,
        }
    }
}

impl hyper::body::Body for Arriving {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if let Some(cut) = self.held.cut.get() {
            return Poll::Ready(Some(Err((*cut).into())));
        }
        match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let count = frame.data_ref().map_or(0, Bytes::len);
                self.held.bytes.fetch_add(count, Ordering::Relaxed);
                if !self.held.seat.hold_bytes(count) {
                    return Poll::Ready(Some(Err(self.held.cut(Cut::NoRoom).into())));
                }
                if self.incoming.is_end_stream() {
                    self.held.seat.arrived();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.held.seat.arrived();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Pending => {
                let Some(Patience { late, shed }) = &mut self.patience else {
                    return Poll::Pending;
                };
                let cut = if late.as_mut().poll(context).is_ready() {
                    Cut::TooSlow
                } else if shed.as_mut().poll(context).is_ready() {
                    Cut::NoRoom
                } else {
                    return Poll::Pending;
                };
                Poll::Ready(Some(Err(self.held.cut(cut).into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// The body of an answer. When it is dropped, all but buffered bytes are written.
pub(super) struct Leaving {
    body: Body,
    seat: Arc<Seat>,
}

impl Leaving {
    pub(super) fn new(body: Body, seat: Arc<Seat>) -> Self {
        Self { body, seat }
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.seat.rest();
    }
}

impl hyper::body::Body for Leaving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
