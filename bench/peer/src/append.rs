//! Senders in a closed loop, each with one command in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use postgres_es::PostgresCqrs;
use serde_json::json;

use crate::order::{Order, Sent};
use crate::read_bodies;

/// State shared by all senders.
struct Round {
    cqrs: PostgresCqrs<Order>,
    webhooks: Vec<Sent>,
    next: AtomicUsize,
    from: Instant,
    to: Instant,
}

pub(crate) async fn run(
    cqrs: PostgresCqrs<Order>,
    bodies: &str,
    senders: usize,
    warm_up: f64,
    seconds: f64,
) -> anyhow::Result<()> {
    let webhooks = read_bodies(bodies)?;
    let from = Instant::now() + Duration::from_secs_f64(warm_up);
    let round = Arc::new(Round {
        cqrs,
        webhooks,
        next: AtomicUsize::new(0),
        from,
        to: from + Duration::from_secs_f64(seconds),
    });
    println!("started");
    let tasks: Vec<_> = (0..senders).map(|_| tokio::spawn(send(Arc::clone(&round)))).collect();
    let (mut acknowledged, mut latencies) = (0, Vec::new());
    for task in tasks {
        let (sent, counted) = task.await??;
        acknowledged += sent;
        latencies.extend(counted);
    }
    latencies.sort_unstable();
    let percentile = |percent: usize| {
        let at = latencies.len().saturating_sub(1) * percent / 100;
        latencies.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    let outcome = json!({
        "per_second": latencies.len() as f64 / seconds,
        "p50_ms": percentile(50),
        "p99_ms": percentile(99),
        "counted": latencies.len(),
        "acknowledged": acknowledged,
    });
    println!("{outcome}");
    Ok(())
}

/// Sends until the round is over. Returns the number of appends, and the latencies of those within the window.
async fn send(round: Arc<Round>) -> anyhow::Result<(u64, Vec<Duration>)> {
    let (mut appended, mut latencies) = (0, Vec::new());
    loop {
        let sent = Instant::now();
        if sent >= round.to {
            return Ok((appended, latencies));
        }
        let webhook = round.webhooks.get(round.next.fetch_add(1, Ordering::Relaxed));
        let webhook = webhook.context("there were too few webhooks for the round")?.clone();
        let order = webhook.aggregate();
        round.cqrs.execute(&order, webhook).await?;
        let answered = Instant::now();
        appended += 1;
        if (round.from..round.to).contains(&answered) {
            latencies.push(answered - sent);
        }
    }
}
