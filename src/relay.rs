//! The relay: publishes the feed to NATS JetStream, each event once and in order.
//!
//! Layout
//! - `stream`: the JetStream stream: connecting, its last message, publishing
//!
//! The stream's last message names its event, and so where to resume. A NATS that was killed and lost acknowledged
//! messages gets them again; messages that were stored without our seeing the acknowledgement are not sent twice,
//! however long ago that was. Every message names the sequence number it follows, so NATS refuses one out of order, be
//! it from a broken pipeline or from a process that has lost the lease without noticing. JetStream drops repeats by
//! message id within its duplicate window; that is for streams that others have written to.

mod stream;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use aggregates::Position;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::feed::{self, SEEN_EVERY};
use crate::settings::NatsUrl;
use store::{ConsumerName, Duty, EventFilter, Fence, Lease, Store, StoreError};
use stream::{Ack, Last, Stream, message_id};

/// Messages in flight.
const WINDOW: usize = 256;
/// Pause before retrying to publish or to take the lease.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the checkpoint is stored under load.
const COMMIT_EVERY: Duration = Duration::from_millis(250);

/// Why publishing stopped, until the next retry.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    /// NATS cannot be reached, or reports an error.
    #[error("{0}")]
    Nats(String),
    /// The connection was lost.
    #[error("the connection to NATS was lost")]
    Lost,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The checkpoint was moved: another process publishes, or the consumer was deleted.
    #[error("the checkpoint was moved by somebody else")]
    Moved,
    /// The lease is gone.
    #[error("the lease on the relay was lost")]
    Unleased,
}

/// Publishes every event to NATS.
pub struct Relay {
    store: Arc<dyn Store>,
    url: NatsUrl,
    head: watch::Receiver<Position>,
    consumer: ConsumerName,
}

impl Relay {
    /// A relay to the server at `url`; `head` reports new events.
    pub fn new(store: Arc<dyn Store>, url: NatsUrl, head: watch::Receiver<Position>) -> Self {
        Self {
            store,
            url,
            head,
            consumer: ConsumerName::nats(),
        }
    }

    /// Publishes until `shutdown`, while this process holds the lease. The next process finds messages that were in
    /// flight at the end.
    pub async fn run(mut self, shutdown: CancellationToken) {
        connected(false);
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.publish_for_ever() => {}
        }
        connected(false);
    }

    async fn publish_for_ever(&mut self) {
        let mut down = false;
        loop {
            let Err(error) = self.lead(&mut down).await;
            connected(false);
            // logged once per outage
            if !down {
                tracing::warn!(%error, url = %self.url, "events are not published to NATS; trying again");
            }
            down = true;
            sleep(PAUSE).await;
        }
    }

    /// Waits for the lease, and publishes while it is held.
    async fn lead(&mut self, down: &mut bool) -> Result<std::convert::Infallible, RelayError> {
        let mut lease = loop {
            match self.store.lease(Duty::Relay).await? {
                Some(lease) => break lease,
                None => sleep(PAUSE).await,
            }
        };
        let stream = Stream::connect(&self.url).await?;
        let from = self.resume(&stream, lease.fence()).await?;
        connected(true);
        tracing::info!(url = %self.url, after = %from, "events are published to NATS");
        *down = false;
        self.publish(&stream, from, &mut *lease).await
    }

    /// The position to resume after. Sets the stored checkpoint to it.
    async fn resume(&self, stream: &Stream, fence: Fence) -> Result<Position, RelayError> {
        let checkpoint = match self.store.consumer(&self.consumer).await? {
            Some(consumer) => consumer.position,
            None => {
                let everything = EventFilter::default();
                self.store
                    .put_consumer(&self.consumer, &everything, Position(0), None)
                    .await?;
                Position(0)
            }
        };
        let from = match stream.last().await? {
            Last::Nothing => Position(0),
            Last::Event { position, id } if self.is_ours(position, &id).await? => position,
            Last::Event { .. } | Last::Unknown => {
                tracing::warn!("the NATS stream's last message is not an event of this ledger");
                checkpoint
            }
            Last::Removed => checkpoint,
        };
        if from < checkpoint {
            tracing::warn!(%checkpoint, after = %from, "the NATS stream lacks events, which are published again");
        }
        let stands = checkpoint..=checkpoint;
        if from != checkpoint && !self.store.commit(&self.consumer, stands, from, Some(fence)).await? {
            return Err(RelayError::Moved);
        }
        Ok(from)
    }

    /// Whether this ledger's event at the position has this message id.
    async fn is_ours(&self, position: Position, id: &str) -> Result<bool, StoreError> {
        let events = self.store.events_at(&[position]).await?;
        Ok(events.first().is_some_and(|event| message_id(event) == id))
    }

    async fn publish(
        &mut self,
        stream: &Stream,
        from: Position,
        lease: &mut dyn Lease,
    ) -> Result<std::convert::Infallible, RelayError> {
        let (everything, fence) = (EventFilter::default(), lease.fence());
        let mut on_their_way: VecDeque<(Position, Ack)> = VecDeque::with_capacity(WINDOW);
        let (mut sent, mut acknowledged, mut committed) = (from, from, from);
        let mut noted = Instant::now();
        let mut sequence = stream.last_sequence();
        let mut tick = interval(COMMIT_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ticks = 0_u32;
        loop {
            let head = *self.head.borrow_and_update();
            // refilled by halves, so that one query reads many events
            if sent < head && on_their_way.len() <= WINDOW / 2 {
                let room = u32::try_from(WINDOW - on_their_way.len()).unwrap_or(1);
                let page = feed::page(&*self.store, &everything, sent, head, room).await?;
                for event in page.events {
                    let position = event.position;
                    on_their_way.push_back((position, stream.publish(event, sequence).await?));
                    (sent, sequence) = (position, sequence + 1);
                }
            }
            let all_sent = sent >= *self.head.borrow();
            tokio::select! {
                () = stream.lost() => return Err(RelayError::Lost),
                acked = first(&mut on_their_way) => {
                    acknowledged = acked?;
                    metrics::counter!("warmledger_relay_published_total").increment(1);
                }
                changed = self.head.changed(), if all_sent => if changed.is_err() {
                    // the service is stopping
                    std::future::pending::<()>().await;
                },
                _ = tick.tick() => {
                    ticks = ticks.wrapping_add(1);
                    if ticks.is_multiple_of(4) && !lease.is_held().await {
                        return Err(RelayError::Unleased);
                    }
                    if committed < acknowledged {
                        let from = committed..=committed;
                        if !self.store.commit(&self.consumer, from, acknowledged, Some(fence)).await? {
                            return Err(RelayError::Moved);
                        }
                        committed = acknowledged;
                        noted = Instant::now();
                    } else if noted.elapsed() >= SEEN_EVERY {
                        self.store.consumer_seen(&self.consumer).await?;
                        noted = Instant::now();
                    }
                }
            }
        }
    }
}

/// The next acknowledged position; pending while no message is in flight.
async fn first(on_their_way: &mut VecDeque<(Position, Ack)>) -> Result<Position, RelayError> {
    let Some((position, ack)) = on_their_way.front_mut() else {
        return std::future::pending().await;
    };
    let position = *position;
    let acked = ack.await;
    on_their_way.pop_front();
    acked.map(|()| position)
}

fn connected(connected: bool) {
    metrics::gauge!("warmledger_relay_connected").set(if connected { 1.0 } else { 0.0 });
}
