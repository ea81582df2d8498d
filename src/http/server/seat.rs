//! The state of each connection. When there are too many, the one that has been waited for the longest is closed: first
//! those that are idle or sending a head, then those sending a body. A connection that is being answered stays.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use axum::http::Request;
use hyper::body::Body;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Time-out for the head of a request, from its first byte on; for the first request, from the connection on.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may be idle between two requests: longer than proxies keep theirs, or they would send a
/// request into a closing connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// Time-out for the body of a request.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A request that holds fewer bytes is not shed.
const WORTH_SHEDDING: usize = 4096;

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doing {
    /// Waiting for the first byte of the next request.
    Idle,
    /// Sending the head of a request.
    SendingHead,
    /// Sending the body of a request.
    SendingBody,
    /// Waiting for its answer, or receiving it.
    Answered,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "idle",
            Self::SendingHead => "sending the head of a request",
            Self::SendingBody => "sending a body",
            Self::Answered => "being answered",
        })
    }
}

/// All connections.
pub(super) struct Seats {
    taken: Mutex<BTreeMap<u64, Arc<State>>>,
    most: usize,
    most_bytes: usize,
    bytes: AtomicUsize,
    next: AtomicUsize,
}

/// The result of asking for a seat.
pub(super) enum Taken {
    Free(Arc<Seat>),
    /// Another connection was closed for it, in this state.
    InPlaceOf(Arc<Seat>, Doing),
    /// No seat: every connection is being answered.
    None,
}

struct State {
    doing: Mutex<(Doing, Instant)>,
    /// Cancelled to close the connection at once.
    cut: CancellationToken,
    /// Cancelled to stop waiting for its body.
    shed: CancellationToken,
    /// The bytes it holds of the budget.
    bytes: AtomicUsize,
}

impl State {
    fn doing(&self) -> MutexGuard<'_, (Doing, Instant)> {
        self.doing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seats {
    /// With limits for connections and for bytes of bodies.
    pub(super) fn new(most: usize, most_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            taken: Mutex::default(),
            most,
            most_bytes,
            bytes: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
        })
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<State>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for a new connection.
    pub(super) fn take(self: &Arc<Self>) -> Taken {
        let mut taken = self.taken();
        let mut gone = None;
        if taken.len() >= self.most {
            let all = taken.iter().map(|(id, state)| (*state.doing(), *id));
            // idle connections and those sending a head rank alike
            let rank = |doing| {
                if doing == Doing::SendingHead {
                    Doing::Idle
                } else {
                    doing
                }
            };
            let longest = all.min_by_key(|((doing, since), _)| (rank(*doing), *since));
            match longest {
                Some(((doing, _), id)) if doing != Doing::Answered => {
                    if let Some(state) = taken.remove(&id) {
                        state.cut.cancel();
                    }
                    metrics::counter!("warmledger_connections_closed_total", "reason" => "displaced").increment(1);
                    gone = Some(doing);
                }
                _ => {
                    metrics::counter!("warmledger_connections_closed_total", "reason" => "no_room").increment(1);
                    return Taken::None;
                }
            }
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed) as u64;
        let state = Arc::new(State {
            doing: Mutex::new((Doing::SendingHead, Instant::now())),
            cut: CancellationToken::new(),
            shed: CancellationToken::new(),
            bytes: AtomicUsize::new(0),
        });
        taken.insert(id, Arc::clone(&state));
        metrics::gauge!("warmledger_connections").set(taken.len() as f64);
        let seat = Arc::new(Seat {
            seats: Arc::downgrade(self),
            id,
            cut: state.cut.clone(),
            state,
        });
        gone.map_or_else(
            || Taken::Free(Arc::clone(&seat)),
            |doing| Taken::InPlaceOf(Arc::clone(&seat), doing),
        )
    }

    /// Ends every connection at once.
    pub(super) fn cut_all(&self) {
        self.taken().values().for_each(|state| state.cut.cancel());
    }

    /// Stops waiting for the oldest arriving request that holds some bytes. False if that is this one, or there is
    /// none.
    fn shed_other_than(&self, own: u64) -> bool {
        let taken = self.taken();
        let arriving = taken.iter().filter_map(|(id, state)| {
            let (doing, since) = *state.doing();
            let holds = state.bytes.load(Ordering::Relaxed) >= WORTH_SHEDDING && !state.shed.is_cancelled();
            (holds && matches!(doing, Doing::SendingHead | Doing::SendingBody)).then_some((since, *id, doing, state))
        });
        match arriving.min_by_key(|(since, id, ..)| (*since, *id)) {
            Some((_, id, doing, state)) if id != own => {
                state.shed.cancel();
                // without a whole head there is no request to answer
                if doing == Doing::SendingHead {
                    state.cut.cancel();
                }
                true
            }
            _ => false,
        }
    }
}

/// One connection's seat, freed on drop.
pub(super) struct Seat {
    seats: Weak<Seats>,
    id: u64,
    state: Arc<State>,
    /// Cancelled to close the connection at once.
    pub(super) cut: CancellationToken,
}

impl Seat {
    fn set(&self, doing: Doing) {
        *self.state.doing() = (doing, Instant::now());
    }

    /// Bytes have arrived. Returns whether they belong to a head.
    pub(super) fn heard(&self) -> bool {
        let mut doing = self.state.doing();
        if doing.0 == Doing::Idle {
            *doing = (Doing::SendingHead, Instant::now());
        }
        doing.0 == Doing::SendingHead
    }

    /// Whether a head is awaited.
    pub(super) fn awaits_head(&self) -> bool {
        matches!(self.state.doing().0, Doing::Idle | Doing::SendingHead)
    }

    /// The head of a request has arrived.
    pub(super) fn begin<B: Body>(&self, request: &Request<B>) {
        self.set(if request.body().is_end_stream() {
            Doing::Answered
        } else {
            Doing::SendingBody
        });
    }

    /// The body has arrived, or is not needed.
    pub(super) fn arrived(&self) {
        self.set(Doing::Answered);
    }

    /// Its answer is written.
    pub(super) fn rest(&self) {
        self.set(Doing::Idle);
    }

    /// When a read times out, and the name of that limit; none while no bytes are awaited.
    pub(super) fn read_deadline(&self) -> Option<(Instant, &'static str)> {
        let (doing, since) = *self.state.doing();
        match doing {
            Doing::Idle => Some((since + IDLE_TIMEOUT, "idle")),
            Doing::SendingHead => Some((since + HEAD_TIMEOUT, "slow_head")),
            Doing::SendingBody | Doing::Answered => None,
        }
    }

    /// Cancelled to stop waiting for this body.
    pub(super) fn shed(&self) -> &CancellationToken {
        &self.state.shed
    }

    /// Counts these bytes. Over the budget, the oldest arriving request is shed; false if that is this one, or there is
    /// none.
    pub(super) fn hold_bytes(&self, count: usize) -> bool {
        let Some(seats) = self.seats.upgrade() else {
            return false;
        };
        self.state.bytes.fetch_add(count, Ordering::Relaxed);
        let held = seats.bytes.fetch_add(count, Ordering::Relaxed) + count;
        metrics::gauge!("warmledger_request_bytes").set(held as f64);
        held <= seats.most_bytes || seats.shed_other_than(self.id)
    }

    /// Counts these bytes as released.
    pub(super) fn release_bytes(&self, count: usize) {
        if let Some(seats) = self.seats.upgrade() {
            self.state.bytes.fetch_sub(count, Ordering::Relaxed);
            let held = seats.bytes.fetch_sub(count, Ordering::Relaxed) - count;
            metrics::gauge!("warmledger_request_bytes").set(held as f64);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(seats) = self.seats.upgrade() {
            let mut taken = seats.taken();
            taken.remove(&self.id);
            metrics::gauge!("warmledger_connections").set(taken.len() as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(seats: &Arc<Seats>) -> Arc<Seat> {
        match seats.take() {
            Taken::Free(seat) | Taken::InPlaceOf(seat, _) => seat,
            Taken::None => panic!("no seat"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_been_waited_for_the_longest_goes_and_who_is_being_answered_stays() {
        let seats = Seats::new(4, 10);
        let seat = async || {
            tokio::time::advance(Duration::from_secs(1)).await;
            free(&seats)
        };
        let (answered, sending, head, idle) = (seat().await, seat().await, seat().await, seat().await);
        answered.arrived();
        sending.set(Doing::SendingBody);
        idle.rest();
        let mut held = Vec::new();
        for expected in [&head, &idle, &sending] {
            let Taken::InPlaceOf(seat, _) = seats.take() else {
                panic!("one goes")
            };
            seat.arrived();
            held.push(seat);
            assert!(expected.cut.is_cancelled());
        }
        assert!(matches!(seats.take(), Taken::None));
        assert!(!answered.cut.is_cancelled());
        // a displaced connection frees no seat when it ends
        drop(head);
        assert!(matches!(seats.take(), Taken::None));
        drop(held.pop());
        assert!(matches!(seats.take(), Taken::Free(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_body_that_has_been_waited_for_the_longest_gives_way() {
        let kib = 1024;
        let seats = Seats::new(4, 100 * kib);
        let mut sending = Vec::new();
        for _ in 0..3 {
            tokio::time::advance(Duration::from_secs(1)).await;
            sending.push(free(&seats));
            sending.last().expect("a seat").set(Doing::SendingBody);
        }
        assert!(sending[0].hold_bytes(60 * kib) && sending[1].hold_bytes(40 * kib));
        assert!(sending[2].hold_bytes(30 * kib), "the first gives way");
        assert!(sending[0].shed().is_cancelled() && !sending[1].shed().is_cancelled());
        assert!(!sending[0].cut.is_cancelled(), "it is told");
        sending[0].release_bytes(60 * kib);
        assert!(sending[2].hold_bytes(30 * kib));
        // a request that is being recorded is not shed for a new one
        sending[1].arrived();
        assert!(!sending[2].hold_bytes(30 * kib));
        sending[2].release_bytes(90 * kib);
        // half a head is shed too
        sending[1].set(Doing::SendingHead);
        tokio::time::advance(Duration::from_secs(1)).await;
        sending[2].set(Doing::SendingBody);
        assert!(sending[2].hold_bytes(70 * kib));
        assert!(sending[1].cut.is_cancelled());
    }
}
