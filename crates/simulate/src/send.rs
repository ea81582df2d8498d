//! Sends a plan as the provider does: signed, several at a time, each retried on the provider's schedule.

use std::collections::HashSet;
use std::time::Duration;

use aggregates::{EventId, Position};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode, Url, redirect};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::delivery::Delivery;
use super::plan::Plan;
use super::summary::Summary;
use ledger::ingest::signature::{SIGNATURE_HEADER, Scheme, TIMESTAMP_HEADER, sign};
use secret::Secret;

/// How long the provider waits for an answer.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the provider waits before each retry; after the last one it gives up.
pub const RETRY_DELAYS: [Duration; 3] = [Duration::ZERO, Duration::from_secs(30), Duration::from_secs(5 * 60)];

/// When deliveries are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Pace {
    /// Each as soon as there is room for it.
    #[default]
    Flood,
    /// So many per second, evenly; the plan's own times are ignored. Zero or less means [`Flood`](Self::Flood).
    PerSecond(f64),
    /// At the plan's own times, multiplied by this: 1 is real time, 0.01 plays an hour in 36 seconds.
    Scaled(f64),
}

impl Pace {
    /// When the delivery at `index` is due, relative to the beginning of the run.
    fn due(self, index: usize, delivery: &Delivery) -> Duration {
        match self {
            Self::PerSecond(rate) if rate > 0.0 => saturating_seconds(index as f64 / rate),
            Self::Scaled(scale) => saturating_seconds(delivery.after.as_secs_f64() * scale),
            Self::Flood | Self::PerSecond(_) => Duration::ZERO,
        }
    }
}

/// Where and how to send. No `Debug`: it holds the key.
#[derive(Clone)]
pub struct SendOptions {
    /// The receiver, `http` only.
    pub url: Url,
    /// The key to sign with.
    pub key: Secret<String>,
    /// The bytes that are signed.
    pub scheme: Scheme,
    /// When deliveries are sent.
    pub pace: Pace,
    /// The most concurrent requests; at least 1.
    pub concurrency: usize,
    /// Scales [`RETRY_DELAYS`].
    pub retry_scale: f64,
    /// Whether to show a progress bar on stderr, if that is a terminal.
    pub progress: bool,
    /// Whether to keep [`Summary::acknowledgements`].
    pub keep_acknowledgements: bool,
}

impl SendOptions {
    /// As fast as the receiver takes them, 16 requests at a time, in the default scheme, with the provider's own retry
    /// delays, without a progress bar.
    pub fn new(url: Url, key: Secret<String>) -> Self {
        Self {
            url,
            key,
            scheme: Scheme::default(),
            pace: Pace::Flood,
            concurrency: 16,
            retry_scale: 1.0,
            progress: false,
            keep_acknowledgements: false,
        }
    }
}

/// Why nothing could be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The address isn't an `http` one.
    #[error("the simulator sends over plain http only, not {0}")]
    NotHttp(String),
    /// The HTTP client could not be set up.
    #[error("the HTTP client could not be set up")]
    Client(#[source] reqwest::Error),
}

/// Sends every delivery of the plan and returns the result. A receiver that refuses or is away is not an error: the
/// summary shows it.
///
/// Deliveries start in the plan's order but overlap, so they may arrive in another. Once `shutdown` is cancelled, no
/// new request begins; those in flight are finished.
///
/// # Errors
/// [`SendError`] if not a single request could be made.
pub async fn run(plan: &Plan, options: &SendOptions, shutdown: CancellationToken) -> Result<Summary, SendError> {
    let client = client(options)?;
    let slots = Semaphore::new(options.concurrency.clamp(1, Semaphore::MAX_PERMITS));
    let sender = Sender {
        client,
        options,
        slots: &slots,
        shutdown: &shutdown,
    };
    let mut tally = Tally::new(plan.deliveries.len(), options);
    let mut running = FuturesUnordered::new();

    for (index, delivery) in plan.deliveries.iter().enumerate() {
        let due = tally.begun + options.pace.due(index, delivery);
        let mut slot = std::pin::pin!(sender.slot_at(due));
        let slot = loop {
            tokio::select! {
                slot = &mut slot => break slot,
                Some(report) = running.next(), if !running.is_empty() => tally.add(report),
            }
        };
        let Some(slot) = slot else {
            tally.summary.interrupted += (plan.deliveries.len() - index) as u64;
            break;
        };
        running.push(sender.deliver(delivery, slot));
    }
    while let Some(report) = running.next().await {
        tally.add(report);
    }
    Ok(tally.finish())
}

struct Sender<'a> {
    client: Client,
    options: &'a SendOptions,
    slots: &'a Semaphore,
    shutdown: &'a CancellationToken,
}

/// The result of one delivery.
struct Report<'p> {
    event_id: &'p EventId,
    attempts: u64,
    last_failure: Option<String>,
    end: End,
}

enum End {
    Acknowledged(Answer, Duration),
    GivenUp,
    Interrupted,
}

/// The fields read from an answer. Another successful answer counts as an acknowledgement too.
#[derive(Default, Deserialize)]
struct Answer {
    #[serde(default)]
    status: String,
    position: Option<Position>,
}

impl<'a> Sender<'a> {
    /// Waits until a request is due and permitted; `None` if the run is stopped first.
    async fn slot_at(&self, due: Instant) -> Option<SemaphorePermit<'a>> {
        let slot = async {
            if due > Instant::now() {
                sleep_until(due).await;
            }
            self.slots.acquire().await.ok()
        };
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => None,
            slot = slot => slot,
        }
    }

    async fn deliver<'p>(&self, delivery: &'p Delivery, slot: SemaphorePermit<'a>) -> Report<'p> {
        let mut report = Report {
            event_id: &delivery.event_id,
            attempts: 0,
            last_failure: None,
            end: End::Interrupted,
        };
        let mut slot = Some(slot);
        let mut delays = RETRY_DELAYS.iter();
        // A delivery that waits for its retry holds no permit.
        while let Some(held) = slot.take() {
            let begun = Instant::now();
            let result = self.attempt(delivery).await;
            drop(held);
            report.attempts += 1;
            match result {
                Ok(answer) => {
                    report.end = End::Acknowledged(answer, begun.elapsed());
                    break;
                }
                Err(failure) => report.last_failure = Some(failure),
            }
            let Some(delay) = delays.next() else {
                report.end = End::GivenUp;
                break;
            };
            let delay = saturating_seconds(delay.as_secs_f64() * self.options.retry_scale);
            slot = self.slot_at(Instant::now() + delay).await;
        }
        report
    }

    /// One request. A failure is returned as text, without the content that was sent.
    async fn attempt(&self, delivery: &Delivery) -> Result<Answer, String> {
        let (status, answer) = post(&self.client, self.options, &self.options.key, delivery.body.clone()).await?;
        if !status.is_success() {
            return Err(refused(status));
        }
        Ok(answer)
    }
}

/// Sends a webhook that is signed with a key. The answer is empty if it is not that of a webhook.
async fn post(
    client: &Client,
    options: &SendOptions,
    key: &Secret<String>,
    body: String,
) -> Result<(StatusCode, Answer), String> {
    let timestamp = Timestamp::now().as_second().to_string();
    let signature = sign(key, options.scheme, &timestamp, body.as_bytes());
    let request = client
        .post(options.url.clone())
        .header(CONTENT_TYPE, "application/json")
        .header(SIGNATURE_HEADER, signature)
        .header(TIMESTAMP_HEADER, timestamp)
        .body(body);
    let response = request.send().await.map_err(|error| in_words(&error))?;
    let status = response.status();
    // Reading it to the end lets the connection be reused.
    let answer = response.bytes().await.map_err(|error| in_words(&error))?;
    Ok((status, serde_json::from_slice(&answer).unwrap_or_default()))
}

fn client(options: &SendOptions) -> Result<Client, SendError> {
    if options.url.scheme() != "http" {
        return Err(SendError::NotHttp(options.url.scheme().to_owned()));
    }
    Client::builder()
        .timeout(RESPONSE_TIMEOUT)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .pool_max_idle_per_host(options.concurrency.max(1))
        .build()
        .map_err(SendError::Client)
}

/// Webhooks as they come on a bad day, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Faulty {
    /// Authentic ones that cannot be used, which were quarantined.
    pub quarantined: u64,
    /// Ones signed with a key that is not the receiver's, which were refused.
    pub refused: u64,
    /// Those that were answered otherwise.
    pub unexpected: u64,
}

/// Sends faulty webhooks, each once: one that is authentic and cannot be used, and one that is signed with a wrong key, for
/// each order of the plan. The plan's orders must be others than those of a run.
///
/// # Errors
/// [`SendError`] if not a single request could be made.
pub async fn run_faulty(plan: &Plan, options: &SendOptions) -> Result<Faulty, SendError> {
    let client = client(options)?;
    let wrong = Secret::new("the key of another customer".to_owned());
    let mut faulty = Faulty::default();
    let first = plan
        .deliveries
        .iter()
        .filter(|delivery| delivery.event.starts_with("prewarmup.order."));
    let mut seen = HashSet::new();
    for delivery in first.filter(|delivery| seen.insert(&delivery.order_id)) {
        let unusable = unusable(&delivery.body);
        match post(&client, options, &options.key, unusable).await {
            Ok((_, answer)) if answer.status == "quarantined" => faulty.quarantined += 1,
            _ => faulty.unexpected += 1,
        }
        match post(&client, options, &wrong, delivery.body.clone()).await {
            Ok((StatusCode::UNAUTHORIZED, _)) => faulty.refused += 1,
            _ => faulty.unexpected += 1,
        }
    }
    Ok(faulty)
}

/// The same webhook with an order id that is none.
fn unusable(body: &str) -> String {
    let Ok(mut webhook) = serde_json::from_str::<serde_json::Value>(body) else {
        return body.to_owned();
    };
    webhook["eventId"] = format!("{}-UNUSABLE", webhook["eventId"].as_str().unwrap_or_default()).into();
    webhook["data"]["orderId"] = serde_json::json!({"id": webhook["data"]["orderId"].take()});
    webhook.to_string()
}

fn refused(status: StatusCode) -> String {
    format!("answered {status}")
}

fn in_words(error: &reqwest::Error) -> String {
    let words = match error {
        error if error.is_timeout() => "no answer in time",
        error if error.is_connect() => "could not connect",
        _ => "the connection broke",
    };
    words.to_owned()
}

/// At least zero, and at most a century.
fn saturating_seconds(seconds: f64) -> Duration {
    const CENTURY: f64 = 100.0 * 365.0 * 86_400.0;
    if seconds > 0.0 {
        Duration::from_secs_f64(seconds.min(CENTURY))
    } else {
        Duration::ZERO
    }
}

/// Counts results during the run.
struct Tally<'p> {
    begun: Instant,
    summary: Summary,
    sent: HashSet<&'p EventId>,
    acknowledged: HashSet<&'p EventId>,
    latencies: Vec<Duration>,
    keep_acknowledgements: bool,
    bar: ProgressBar,
}

impl<'p> Tally<'p> {
    fn new(deliveries: usize, options: &SendOptions) -> Self {
        let bar = if options.progress {
            ProgressBar::new(deliveries as u64)
        } else {
            ProgressBar::hidden()
        };
        // The template is a constant, and a test sets one up.
        bar.set_style(ProgressStyle::with_template(TEMPLATE).expect("the template is well formed"));
        Self {
            begun: Instant::now(),
            summary: Summary::default(),
            sent: HashSet::new(),
            acknowledged: HashSet::new(),
            latencies: Vec::with_capacity(deliveries),
            keep_acknowledgements: options.keep_acknowledgements,
            bar,
        }
    }

    fn add(&mut self, report: Report<'p>) {
        let summary = &mut self.summary;
        self.sent.insert(report.event_id);
        summary.attempts += report.attempts;
        summary.retried += u64::from(report.attempts > 1);
        if report.last_failure.is_some() {
            summary.last_failure = report.last_failure;
        }
        match report.end {
            End::Acknowledged(answer, latency) => {
                self.latencies.push(latency);
                self.acknowledged.insert(report.event_id);
                summary.duplicates += u64::from(answer.status == "duplicate");
                summary.quarantined += u64::from(answer.status == "quarantined");
                if let (true, Some(position)) = (self.keep_acknowledgements, answer.position) {
                    summary.acknowledgements.push((report.event_id.clone(), position));
                }
            }
            End::GivenUp => summary.given_up += 1,
            End::Interrupted => summary.interrupted += 1,
        }
        self.bar.inc(1);
    }

    fn finish(mut self) -> Summary {
        self.bar.finish_and_clear();
        self.summary.elapsed = self.begun.elapsed();
        self.summary.sent = self.sent.len() as u64;
        self.summary.acknowledged = self.acknowledged.len() as u64;
        self.summary.measure(self.latencies);
        self.summary
    }
}

const TEMPLATE: &str = "{bar:32} {pos}/{len} webhooks  {per_sec}  {eta} left";

#[cfg(test)]
mod tests;
