//! What is sent: orders that succeed, each with an id of its own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use warmledger::ingest::signature::{SIGNATURE_HEADER, Scheme, TIMESTAMP_HEADER, sign};
use warmledger::secret::Secret;
use warmledger::simulate::{Options, Plan, Scenario};

/// The key under which everything is signed.
const KEY: &str = "a key for benchmarks only";

/// Orders of one plan. Its customers order about five times each, so plans of one size keep the share of new customers
/// the same however many webhooks a round takes.
const PLAN: usize = 2_500;

/// A webhook, signed.
pub(crate) struct Signed {
    pub(crate) body: String,
    pub(crate) signature: String,
    pub(crate) timestamp: String,
}

/// Webhooks that are handed out once each.
pub(crate) struct Payloads {
    signed: Vec<Signed>,
    next: AtomicUsize,
}

/// The key under which everything is signed.
pub(crate) fn key() -> Secret<String> {
    Secret::new(KEY.to_owned())
}

impl Payloads {
    /// Webhooks signed now: they are good for five minutes. The same seed gives the same ones.
    pub(crate) fn new(count: usize, seed: u64) -> Arc<Self> {
        Self::of_plans(PLAN, count, seed)
    }

    /// Webhooks of plans of so many orders. Domains are unique within a plan.
    pub(crate) fn of_plans(orders: usize, count: usize, seed: u64) -> Arc<Self> {
        let now = Timestamp::now();
        let timestamp = now.as_second().to_string();
        let key = key();
        let mut bodies = VecDeque::new();
        for part in 0..count.div_ceil(orders) as u64 {
            let plan = Plan::new(&Options {
                scenario: Scenario::Success,
                seed: seed.wrapping_mul(1_000).wrapping_add(part),
                ..Options::new(orders, now)
            });
            bodies.extend(plan.deliveries.into_iter().map(|delivery| delivery.body));
        }
        let signed = bodies.into_iter().take(count).map(|body| Signed {
            signature: sign(&key, Scheme::default(), &timestamp, body.as_bytes()),
            timestamp: timestamp.clone(),
            body,
        });
        Arc::new(Self {
            signed: signed.collect(),
            next: AtomicUsize::new(0),
        })
    }

    /// The next one that nobody has sent yet.
    pub(crate) fn take(&self) -> Option<&Signed> {
        self.signed.get(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The mean length of a body, in bytes.
    pub(crate) fn mean_body(&self) -> f64 {
        let total: usize = self.signed.iter().map(|signed| signed.body.len()).sum();
        total as f64 / self.signed.len().max(1) as f64
    }
}

impl Signed {
    /// A header's value, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        match name {
            "content-type" => Some("application/json"),
            SIGNATURE_HEADER => Some(&self.signature),
            TIMESTAMP_HEADER => Some(&self.timestamp),
            _ => None,
        }
    }

    /// Writes the whole HTTP/1.1 request.
    pub(crate) fn write_request(&self, host: &str, path: &str, request: &mut Vec<u8>) {
        let Self {
            body,
            signature,
            timestamp,
        } = self;
        request.clear();
        request.extend_from_slice(
            format!(
                "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                 {SIGNATURE_HEADER}: {signature}\r\n{TIMESTAMP_HEADER}: {timestamp}\r\n\r\n{body}",
                body.len()
            )
            .as_bytes(),
        );
    }
}
