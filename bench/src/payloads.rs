//! The webhooks: orders that succeed, each with an id of its own.

use std::collections::{HashSet, VecDeque};
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::ValueEnum;
use jiff::Timestamp;
use warmledger::ingest::signature::{SIGNATURE_HEADER, Scheme, TIMESTAMP_HEADER, sign};
use warmledger::secret::Secret;
use warmledger::simulate::{Options, Plan, Scenario};

/// The signing key of all webhooks.
const KEY: &str = "a key for benchmarks only";

/// Orders per plan. Its customers order about five times each, so a fixed plan size keeps the share of new customers
/// the same however many webhooks a round sends.
const PLAN: usize = 2_500;

/// A mixed load goes by groups of `MIX` webhooks: one repeats an earlier one, `KNOWN` are about known orders, the rest
/// bring new orders.
const MIX: usize = 20;
const KNOWN: usize = 4;
/// New orders at the beginning, and the distance of a repeat from its original, which is answered by then.
const AHEAD: usize = 1_000;

/// The length of a ledger of renewals, in months.
const MONTHS: u32 = 24;
/// Its beginning: 2024-01-01T00:00:00Z.
const BEGINNING: Timestamp = Timestamp::constant(1_704_067_200, 0);
/// The least number of webhooks per order of such a ledger, on average.
const AN_ORDER: usize = 80;
const FEWEST: usize = 10;

/// What the webhooks of a ledger tell.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LedgerKind {
    /// Orders: each webhook makes rows of its own
    Orders,
    /// Orders that all were placed at the beginning, and month by month the renewals of their subscriptions since
    Renewals,
}

impl LedgerKind {
    /// Its name, as an argument and for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Renewals => "renewals",
        }
    }
}

/// A webhook, signed.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) body: String,
    pub(crate) signature: String,
    pub(crate) timestamp: String,
    /// Whether it repeats an earlier one.
    pub(crate) repeat: bool,
}

/// Webhooks, each handed out once.
pub(crate) struct Payloads {
    signed: Vec<Signed>,
    next: AtomicUsize,
}

/// The signing key of all webhooks.
pub(crate) fn key() -> Secret<String> {
    Secret::new(KEY.to_owned())
}

impl Payloads {
    /// Webhooks signed now: they are valid for five minutes. The same seed gives the same ones.
    pub(crate) fn new(count: usize, seed: u64) -> Arc<Self> {
        Self::of_plans(PLAN, count, seed)
    }

    /// Webhooks of plans of this many orders.
    pub(crate) fn of_plans(orders: usize, count: usize, seed: u64) -> Arc<Self> {
        let sign = signer();
        let mut bodies = VecDeque::new();
        for part in 0..count.div_ceil(orders) as u64 {
            let plan = plan(orders, Scenario::Success, false, seed, part);
            bodies.extend(
                plan.deliveries
                    .into_iter()
                    .map(|delivery| of_part(&delivery.body, part)),
            );
        }
        Self::from_signed(bodies.into_iter().take(count).map(sign))
    }

    /// As [`Self::new`], but 5 % repeat an earlier webhook, and 20 % are about a known order: renewals of its
    /// subscriptions, and further assignments.
    pub(crate) fn mixed(count: usize, seed: u64) -> Arc<Self> {
        let sign = signer();
        let (mut new, mut known) = (VecDeque::new(), VecDeque::new());
        let mut orders = HashSet::new();
        let mut signed: Vec<Signed> = Vec::with_capacity(count);
        for part in 0.. {
            if new.len() >= count {
                break;
            }
            let plan = plan(PLAN, Scenario::Mix, true, seed, part);
            for delivery in plan.deliveries {
                if delivery.event == "prewarmup.order.failed" {
                    continue;
                }
                let queue = if orders.insert(delivery.order_id) {
                    &mut new
                } else {
                    &mut known
                };
                queue.push_back(of_part(&delivery.body, part));
            }
        }
        for place in 0..count {
            let next = match place % MIX {
                0 if place > AHEAD => Some(Signed {
                    repeat: true,
                    ..signed[place - AHEAD].clone()
                }),
                1..=KNOWN if place > AHEAD => known.pop_front().map(&sign),
                _ => new.pop_front().map(&sign),
            };
            signed.extend(next);
        }
        Self::from_signed(signed)
    }

    /// A reseller whose orders were all placed at the beginning, and their renewals since, in `count` webhooks: those
    /// in the range, in parts that are signed when requested. The same count and seed give the same ones.
    pub(crate) fn renewals(
        count: usize,
        range: Range<usize>,
        part: usize,
        seed: u64,
    ) -> impl Iterator<Item = Arc<Self>> + Send {
        let plan = Plan::new(&Options {
            scenario: Scenario::Success,
            renewals: true,
            months: MONTHS,
            seed,
            ..Options::new(count / AN_ORDER + FEWEST, BEGINNING)
        });
        let bodies = plan.deliveries.into_iter().map(|delivery| delivery.body);
        let mut bodies = bodies.take(range.end).skip(range.start);
        let next = move || Self::from_signed(bodies.by_ref().take(part).map(signer()));
        std::iter::repeat_with(next).take_while(|part| !part.signed.is_empty())
    }

    fn from_signed(signed: impl IntoIterator<Item = Signed>) -> Arc<Self> {
        Arc::new(Self {
            signed: signed.into_iter().collect(),
            next: AtomicUsize::new(0),
        })
    }

    /// Writes the bodies to a file, one a line.
    pub(crate) fn write_bodies(&self, path: &Path) -> std::io::Result<()> {
        let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
        for signed in &self.signed {
            writeln!(file, "{}", signed.body)?;
        }
        file.flush()
    }

    /// The next unsent webhook.
    pub(crate) fn take(&self) -> Option<&Signed> {
        self.signed.get(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The mean length of a body, in bytes.
    pub(crate) fn mean_body(&self) -> f64 {
        let total: usize = self.signed.iter().map(|signed| signed.body.len()).sum();
        total as f64 / self.signed.len().max(1) as f64
    }
}

/// A plan, determined by the seed and a number.
fn plan(orders: usize, scenario: Scenario, renewals: bool, seed: u64, part: u64) -> Plan {
    Plan::new(&Options {
        scenario,
        renewals,
        seed: seed.wrapping_mul(1_000).wrapping_add(part),
        ..Options::new(orders, Timestamp::now())
    })
}

/// A body whose domains have the part's number in their names: plans invent the same names again, and a domain of many orders
/// has a view that grows with each.
fn of_part(body: &str, part: u64) -> String {
    let names = body.split("\"domain\":\"").skip(1);
    let names = names.filter_map(|rest| rest.split('"').next()?.rsplit_once('.'));
    names.fold(body.to_owned(), |body, (name, top)| {
        body.replace(&format!("{name}.{top}"), &format!("{name}-{part}.{top}"))
    })
}

/// Signs bodies with the current time.
fn signer() -> impl Fn(String) -> Signed {
    let timestamp = Timestamp::now().as_second().to_string();
    let key = key();
    move |body| Signed {
        signature: sign(&key, Scheme::default(), &timestamp, body.as_bytes()),
        timestamp: timestamp.clone(),
        body,
        repeat: false,
    }
}

impl Signed {
    /// A header's value, by its lower-case name.
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
            ..
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_orders_have_a_domain_in_common() {
        let payloads = Payloads::new(3 * PLAN, 7);
        let mut names = HashSet::new();
        for signed in &payloads.signed {
            for rest in signed.body.split("\"domain\":\"").skip(1) {
                let name = rest.split('"').next().unwrap_or_default();
                assert!(names.insert(name.to_owned()), "{name}");
            }
        }
        assert!(names.len() > payloads.signed.len());
    }

    #[test]
    fn a_mixed_load_has_its_shares() {
        let payloads = Payloads::mixed(6_000, 7);
        assert_eq!(payloads.signed.len(), 6_000);
        let later = &payloads.signed[2_000..];
        let repeats = later.iter().filter(|signed| signed.repeat).count();
        assert_eq!(repeats, later.len() / MIX);
        let renewals = later
            .iter()
            .filter(|signed| !signed.repeat && signed.body.contains(r#""event":"subscription."#))
            .count();
        assert!(renewals > later.len() / 6, "{renewals} of {}", later.len());
    }

    #[test]
    fn a_ledger_told_in_renewals_is_mostly_renewals() {
        let parts: Vec<_> = Payloads::renewals(6_000, 500..6_000, 2_500, 7).collect();
        let counts: Vec<_> = parts.iter().map(|part| part.signed.len()).collect();
        assert_eq!(counts, [2_500, 2_500, 500]);
        let webhooks = parts.iter().flat_map(|part| &part.signed);
        let renewals = webhooks.filter(|signed| signed.body.contains(r#""event":"subscription."#));
        assert!(renewals.count() > 5_300);
        for told in LedgerKind::value_variants() {
            let parsed = LedgerKind::from_str(told.name(), false);
            assert!(parsed.is_ok_and(|parsed| parsed == *told));
        }
    }
}
