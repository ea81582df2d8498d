//! Lists deliveries in batches. A webhook never waits for that: what does not fit into the queue is counted and left out,
//! and so is what a crash takes with it. The ledger is complete without.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::access::{Address, Limiter};
use ledger::refused::{Keeper, before};
use store::{DeliveryOutcome, NewDelivery, Store, StoreError, clock};

/// Deliveries that wait to be listed.
const QUEUE: usize = 16_384;
/// Deliveries listed in one transaction.
const BATCH: usize = 1_024;
/// How long a batch gathers.
const GATHER: Duration = Duration::from_millis(250);
/// Attempts to list a batch while the store is away, and the pause between them.
const ATTEMPTS: u32 = 40;
const PAUSE: Duration = Duration::from_millis(500);
/// Refused webhooks of one sender that are looked at a minute, listed and kept aside: anybody can make them. Of a known
/// sender more: after a wrong key all of its webhooks are refused, each three times.
const REFUSED_A_MINUTE: NonZeroU32 = NonZeroU32::new(60).unwrap();
const REFUSED_OF_KNOWN: NonZeroU32 = NonZeroU32::new(3_000).unwrap();
/// Refused webhooks of unknown senders that are looked at a minute, of all together: each may cost the store a transaction.
const REFUSED_OF_ALL: NonZeroU32 = NonZeroU32::new(600).unwrap();
/// Known senders that a process keeps in mind.
const KNOWN: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();
/// Refused deliveries that are kept in the list, and those of one sender.
const MOST_REFUSED: u32 = 10_000;
const MOST_REFUSED_OF_ONE: u32 = 1_000;
/// How long a sender is known before that is noted again.
const NOTED: Duration = Duration::from_secs(600);
/// How often the lists are trimmed, and how many rows at once.
const TRIM: Duration = Duration::from_secs(60);
const TRIMMED_AT_ONCE: u32 = 5_000;

/// Takes deliveries to be listed.
pub struct Recorder {
    queue: mpsc::Sender<NewDelivery>,
    refused: Limiter<String>,
    refused_of_known: Limiter<String>,
    refused_of_all: Limiter<()>,
    /// Senders of authentic webhooks: a flood from elsewhere does not count against them.
    known: Mutex<LruCache<String, ()>>,
}

impl Recorder {
    /// A recorder, and the work that lists what it takes. That ends once the recorder is dropped and the rest is listed.
    ///
    /// # Errors
    /// [`StoreError`] if the known senders cannot be read.
    pub async fn new(store: Arc<dyn Store>) -> Result<(Self, impl Future<Output = ()> + Send), StoreError> {
        let mut known = LruCache::new(KNOWN);
        for sender in store.known_senders(KNOWN.get() as u32).await?.into_iter().rev() {
            known.put(sender, ());
        }
        let (queue, waiting) = mpsc::channel(QUEUE);
        let recorder = Self {
            queue,
            refused: Limiter::per_minute(REFUSED_A_MINUTE, "refused deliveries listed a minute", "none"),
            refused_of_known: Limiter::per_minute(REFUSED_OF_KNOWN, "refused deliveries listed a minute", "none"),
            refused_of_all: Limiter::per_minute(REFUSED_OF_ALL, "refused deliveries listed a minute", "none"),
            known: Mutex::new(known),
        };
        Ok((recorder, run(store, waiting)))
    }

    /// Whether one more refused delivery of this sender is looked at: read for what it claims, and listed.
    pub fn admits_refused(&self, sender: &str) -> bool {
        let own = sender.to_owned();
        let admitted = match self.known().contains(sender) {
            true => self.refused_of_known.take(&own, 1).is_ok(),
            false => self.refused.take(&own, 1).is_ok() && self.refused_of_all.take(&(), 1).is_ok(),
        };
        if !admitted {
            left_out("flood", 1);
        }
        admitted
    }

    fn known(&self) -> MutexGuard<'_, LruCache<String, ()>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists a delivery, in its time.
    pub fn record(&self, delivery: NewDelivery) {
        if delivery.outcome != DeliveryOutcome::Refused {
            let mut known = self.known();
            // usually it is the one sender there is
            if known.get(&delivery.sender).is_none() {
                known.put(delivery.sender.clone(), ());
            }
        }
        if self.queue.try_send(delivery).is_err() {
            left_out("queueFull", 1);
        }
    }
}

fn left_out(reason: &'static str, count: u64) {
    metrics::counter!("warmledger_deliveries_not_listed_total", "reason" => reason).increment(count);
}

/// The sender as it is counted: an address; of IPv6 the network of 64 bits, since one sender usually has that many.
pub fn sender_of(address: &Address) -> String {
    let (Address::Known(ip) | Address::Unknown(_, ip) | Address::Forwarder(ip)) = address;
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let network = Ipv6Addr::from(u128::from(ip) & !u128::from(u64::MAX));
            format!("{network}/64")
        }
    }
}

async fn run(store: Arc<dyn Store>, mut waiting: mpsc::Receiver<NewDelivery>) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut told = LruCache::new(KNOWN);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        if batch.len() < BATCH && !waiting.is_closed() {
            sleep(GATHER).await;
            while batch.len() < BATCH
                && let Ok(next) = waiting.try_recv()
            {
                batch.push(next);
            }
        }
        list(&*store, &batch, &waiting).await;
        know(&*store, &batch, &mut told).await;
        batch.clear();
    }
}

/// Notes the senders of authentic webhooks, each once in a while.
async fn know(store: &dyn Store, batch: &[NewDelivery], told: &mut LruCache<String, Instant>) {
    let mut senders = BTreeSet::new();
    for delivery in batch.iter().filter(|one| one.outcome != DeliveryOutcome::Refused) {
        if told.get(&delivery.sender).is_none_or(|at| at.elapsed() > NOTED) {
            told.put(delivery.sender.clone(), Instant::now());
            senders.insert(delivery.sender.clone());
        }
    }
    if senders.is_empty() {
        return;
    }
    let senders: Vec<String> = senders.into_iter().collect();
    if let Err(error) = store.know_senders(&senders, clock::now()).await {
        for sender in &senders {
            told.pop(sender);
        }
        tracing::warn!(%error, "the senders of authentic webhooks could not be noted; trying again with their next one");
    }
}

async fn list(store: &dyn Store, batch: &[NewDelivery], waiting: &mpsc::Receiver<NewDelivery>) {
    for attempt in 1..=ATTEMPTS {
        match store.add_deliveries(batch).await {
            Ok(()) => return,
            Err(error) if error.is_transient() && attempt < ATTEMPTS && !waiting.is_closed() => sleep(PAUSE).await,
            Err(error) => {
                left_out("store", batch.len() as u64);
                tracing::warn!(%error, deliveries = batch.len(), "deliveries could not be listed");
                return;
            }
        }
    }
}

/// Removes what is too old or too much from both lists, until `stop`.
pub async fn keep_tidy(store: Arc<dyn Store>, keeper: Arc<Keeper>, keep: Duration, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = tidy(&*store, &keeper, keep, &stop).await {
            tracing::warn!(%error, "old deliveries could not be removed; trying again");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(TRIM) => {}
        }
    }
}

async fn tidy(store: &dyn Store, keeper: &Keeper, keep: Duration, stop: &CancellationToken) -> Result<(), StoreError> {
    let expired = keeper.expire().await?;
    if expired > 0 {
        tracing::info!(expired, "refused webhooks were kept for long enough and are gone");
    }
    store.thin_refused_deliveries(MOST_REFUSED, MOST_REFUSED_OF_ONE).await?;
    while !stop.is_cancelled() {
        let removed = store.expire_deliveries(before(keep), TRIMMED_AT_ONCE).await?;
        if removed < u64::from(TRIMMED_AT_ONCE) {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_flood_from_everywhere_does_not_count_against_a_known_sender() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        let store: Arc<dyn Store> = Arc::new(store::SqliteStore::open(&path, store::Mode::Migrate).await.unwrap());
        let delivery = |sender: &str| NewDelivery {
            at: clock::now(),
            source: "coldmailreseller".parse().unwrap(),
            address: sender.to_owned(),
            sender: sender.to_owned(),
            outcome: DeliveryOutcome::Recorded,
            cause: None,
            status: 200,
            request_id: "r".to_owned(),
            position: None,
            event_id: None,
            order_id: None,
            domains: None,
        };
        // one is known from before, one since now
        store.know_senders(&["before".to_owned()], clock::now()).await.unwrap();
        let (recorder, listing) = Recorder::new(Arc::clone(&store)).await.unwrap();
        recorder.record(delivery("now"));
        let admitted = (0..700).filter(|n| recorder.admits_refused(&format!("s{n}"))).count();
        assert!((600..650).contains(&admitted), "{admitted}");
        assert!(!recorder.admits_refused("another"));
        assert!(recorder.admits_refused("before") && recorder.admits_refused("now"));
        let of_one = (0..4_000).filter(|_| recorder.admits_refused("now")).count();
        assert!((2_990..3_500).contains(&of_one), "{of_one}");
        drop(recorder);
        listing.await;
        assert_eq!(store.known_senders(10).await.unwrap().len(), 2);
    }

    #[test]
    fn a_sender_is_an_address_or_a_network_of_ipv6() {
        let of = |text: &str| sender_of(&Address::Known(text.parse().unwrap()));
        assert_eq!(of("203.0.113.7"), "203.0.113.7");
        assert_eq!(of("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(of("2001:db8:1:2::9"), "2001:db8:1:2::/64");
        assert_ne!(of("2001:db8:1:3::9"), of("2001:db8:1:2::9"));
    }
}
