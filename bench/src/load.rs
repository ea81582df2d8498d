//! The load: senders in a closed loop, each with one request in flight on its own connection. Written by hand on a
//! socket, since it shares the cores with the measured service.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::payloads::Payloads;

/// When answers count.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    /// Earlier answers do not count.
    pub(crate) from: Instant,
    /// No request is sent from here on.
    pub(crate) to: Instant,
}

impl Window {
    pub(crate) fn starting_now(warm_up: Duration, seconds: Duration) -> Self {
        let from = Instant::now() + warm_up;
        Self {
            from,
            to: from + seconds,
        }
    }
}

/// The answers that senders got.
#[derive(Default)]
pub(crate) struct Tally {
    /// All recorded webhooks, warm-up and tail included, repeats excluded.
    acknowledged: u64,
    /// Of answers within the window.
    latencies: Vec<Duration>,
}

impl Tally {
    /// Counts an answer, and whether it says that the webhook was recorded.
    pub(crate) fn add(&mut self, window: Window, (sent, answered): (Instant, Instant), recorded: bool) {
        self.acknowledged += u64::from(recorded);
        if (window.from..window.to).contains(&answered) {
            self.latencies.push(answered - sent);
        }
    }

    pub(crate) fn merge(tallies: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::default();
        for tally in tallies {
            all.acknowledged += tally.acknowledged;
            all.latencies.extend(tally.latencies);
        }
        all
    }

    pub(crate) fn outcome(mut self, window: Window) -> LoadOutcome {
        self.latencies.sort_unstable();
        let percentile = |percent: usize| {
            let index = self.latencies.len().saturating_sub(1) * percent / 100;
            self.latencies
                .get(index)
                .map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
        };
        LoadOutcome {
            per_second: self.latencies.len() as f64 / (window.to - window.from).as_secs_f64(),
            p50_ms: percentile(50),
            p99_ms: percentile(99),
            counted: self.latencies.len() as u64,
            acknowledged: self.acknowledged,
        }
    }
}

/// The result of a round of load.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LoadOutcome {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) counted: u64,
    pub(crate) acknowledged: u64,
}

/// Sends to the servers, an equal share each, until the window closes. Every answer has to be 200 and say that the
/// webhook was recorded, or that it is a duplicate if it is one.
pub(crate) async fn over_http(
    addresses: &[SocketAddr],
    senders: usize,
    payloads: &Arc<Payloads>,
    window: Window,
) -> anyhow::Result<Tally> {
    let tasks: Vec<_> = addresses
        .iter()
        .cycle()
        .take(senders)
        .map(|address| tokio::spawn(sender(*address, Arc::clone(payloads), window)))
        .collect();
    let mut tallies = Vec::with_capacity(senders);
    for task in tasks {
        tallies.push(task.await??);
    }
    Ok(Tally::merge(tallies))
}

async fn sender(address: SocketAddr, payloads: Arc<Payloads>, window: Window) -> anyhow::Result<Tally> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let host = address.to_string();
    let mut tally = Tally::default();
    let (mut request, mut answer) = (Vec::with_capacity(8192), Vec::with_capacity(1024));
    loop {
        let sent = Instant::now();
        if sent >= window.to {
            return Ok(tally);
        }
        let signed = payloads.take().context("there were too few webhooks for the round")?;
        signed.write_request(&host, "/webhooks/coldmailreseller", &mut request);
        stream.write_all(&request).await?;
        let body = read_answer(&mut stream, &mut answer).await?;
        let expected = if signed.repeat { DUPLICATE } else { RECORDED };
        ensure!(
            body.windows(expected.len()).any(|part| part == expected),
            "a webhook was not answered as it should be: {}",
            String::from_utf8_lossy(body)
        );
        tally.add(window, (sent, Instant::now()), !signed.repeat);
    }
}

const RECORDED: &[u8] = br#""status":"recorded""#;
const DUPLICATE: &[u8] = br#""status":"duplicate""#;
const OK: &[u8] = b"HTTP/1.1 200 ";

/// Reads one answer and returns its body. Both servers send its length.
pub(crate) async fn read_answer<'a>(stream: &mut TcpStream, answer: &'a mut Vec<u8>) -> anyhow::Result<&'a [u8]> {
    answer.clear();
    loop {
        ensure!(stream.read_buf(answer).await? > 0, "the server closed the connection");
        let Some(head) = answer.windows(4).position(|part| part == b"\r\n\r\n") else {
            continue;
        };
        let length = content_length(&answer[..head]).context("an answer has no content-length")?;
        let end = head + 4 + length;
        if answer.len() < end {
            continue;
        }
        if !answer.starts_with(OK) {
            bail!("an answer was not 200: {}", String::from_utf8_lossy(answer));
        }
        return Ok(&answer[head + 4..end]);
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
}
