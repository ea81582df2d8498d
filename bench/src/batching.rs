//! Batches grow with the load, and a single sender does not wait for a batch: one service, with 1, 4, 16 and 64 senders
//! in turns, and its metrics of batches.

use std::fmt::Write;
use std::net::SocketAddr;

use anyhow::Context;

use crate::child::Server;
use crate::client::Client;
use crate::database::Database;
use crate::goals::{Findings, Goal, Row, median};
use crate::load::{self, LoadOutcome, Window};
use crate::options::Options;
use crate::payloads::Payloads;
use crate::progress::note;

const SENDERS: [usize; 4] = [1, 4, 16, 64];
/// More webhooks than any machine records in a second.
const PER_SECOND: f64 = 28_000.0;

/// The number of batches so far, and of webhooks in them.
#[derive(Clone, Copy)]
struct Batches {
    batches: f64,
    webhooks: f64,
}

impl Batches {
    async fn so_far(client: &mut Client) -> anyhow::Result<Self> {
        let text = client.text("/metrics").await?;
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.map_or(Ok(0.0), str::parse)
        };
        Ok(Self {
            batches: value("warmledger_batch_size_count").context("batches")?,
            webhooks: value("warmledger_batch_size_sum").context("webhooks")?,
        })
    }

    fn mean_since(self, before: Self) -> f64 {
        (self.webhooks - before.webhooks) / (self.batches - before.batches)
    }
}

pub(crate) async fn findings(options: &Options) -> anyhow::Result<Findings> {
    let database = Database::postgres(&options.postgres_url, &options.dir()?).await?;
    let mut server = Server::service(&database.url, database.dir.path())?;
    let address = server.address().await?;
    let mut rounds: [Vec<(f64, LoadOutcome)>; SENDERS.len()] = Default::default();
    for number in 0..options.rounds() {
        for (senders, rounds) in SENDERS.into_iter().zip(&mut rounds) {
            let seed = 9_000 + (100 * senders + number) as u64;
            let (mean, outcome) = round(options, address, senders, seed).await?;
            note(format_args!(
                "  {senders:>2} senders: {mean:.1} webhooks a batch, p50 {:.2} ms",
                outcome.p50_ms
            ));
            rounds.push((mean, outcome));
        }
    }
    server.stop().await?;
    database.drop_now().await?;

    let mut rows = Vec::new();
    let mut details = format!(
        "## Batches and latency\n\nOne service on PostgreSQL; medians of {} interleaved rounds of {} s.\n\n\
         | senders | webhooks/s | webhooks a batch | p50 ms | p99 ms |\n|--:|--:|--:|--:|--:|\n",
        options.rounds(),
        options.seconds().as_secs_f64()
    );
    for (senders, rounds) in SENDERS.into_iter().zip(&rounds) {
        let of = |value: fn(&LoadOutcome) -> f64| median(rounds.iter().map(|(_, outcome)| value(outcome)));
        let mean = median(rounds.iter().map(|(mean, _)| *mean));
        writeln!(
            details,
            "| {senders} | {:.0} | {mean:.1} | {:.2} | {:.2} |",
            of(|outcome| outcome.per_second),
            of(|outcome| outcome.p50_ms),
            of(|outcome| outcome.p99_ms)
        )?;
        rows.push(Row::absolute(
            format!("webhooks a batch, senders: {senders}"),
            mean,
            "",
            Goal::None,
        ));
    }
    Ok(Findings { rows, details })
}

async fn round(
    options: &Options,
    address: SocketAddr,
    senders: usize,
    seed: u64,
) -> anyhow::Result<(f64, LoadOutcome)> {
    let seconds = options.warm_up() + options.seconds();
    let payloads = Payloads::new((seconds.as_secs_f64() * PER_SECOND) as usize, seed);
    let mut client = Client::connect(address, "").await?;
    let before = Batches::so_far(&mut client).await?;
    let window = Window::starting_now(options.warm_up(), options.seconds());
    let tally = load::over_http(&[address], senders, &payloads, window).await?;
    let after = Batches::so_far(&mut client).await?;
    Ok((after.mean_since(before), tally.outcome(window)))
}
