//! Ingest into a large ledger and a small one: the same load on both, in turns.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;

use crate::child::Server;
use crate::database::Database;
use crate::fill;
use crate::goals::{Findings, Goal, Row, median};
use crate::load::{self, LoadOutcome, Window};
use crate::options::Options;
use crate::payloads::{LedgerKind, Payloads};
use crate::prepared::Prepared;
use crate::progress::note;

const SENDERS: usize = 64;
/// More webhooks than any machine records in a second.
const PER_SECOND: f64 = 28_000.0;

/// A ledger with a service.
struct Served {
    ledger: Prepared,
    server: Server,
    address: SocketAddr,
    /// The load of each round.
    loads: Box<dyn Iterator<Item = Arc<Payloads>> + Send>,
    rounds: Vec<LoadOutcome>,
}

impl Served {
    async fn new(options: &Options, events: u64, told: LedgerKind, seed: u64) -> anyhow::Result<Self> {
        let database = Database::postgres(&options.postgres_url, &options.dir()?).await?;
        let seconds = (options.warm_up() + options.seconds()).as_secs_f64();
        let count = (seconds * PER_SECOND) as usize;
        let more = count * options.rounds();
        let ledger = Prepared::with_more(database, events, told, more as u64).await?;
        let mut server = Server::service(&ledger.database.url, ledger.database.dir.path())?;
        let address = server.address().await?;
        ledger.database.caught_up().await?;
        let begin = events as usize;
        Ok(Self {
            ledger,
            server,
            address,
            loads: match told {
                LedgerKind::Orders => Box::new((seed..).map(move |seed| Payloads::of_plans(count, count, seed))),
                LedgerKind::Renewals => {
                    Box::new(Payloads::renewals(begin + more, begin..begin + more, count, fill::SEED))
                }
            },
            rounds: Vec::new(),
        })
    }

    async fn load(&mut self, options: &Options) -> anyhow::Result<()> {
        let payloads = self.loads.next().context("there is nothing to send")?;
        let window = Window::starting_now(options.warm_up(), options.seconds());
        let tally = load::over_http(&[self.address], SENDERS, &payloads, window).await?;
        let outcome = tally.outcome(window);
        note(format_args!(
            "  at {} events and more: {:.0}/s",
            self.ledger.events, outcome.per_second
        ));
        self.rounds.push(outcome);
        // its folding must not disturb the other one's round
        self.ledger.database.caught_up().await
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.server.stop().await?;
        self.ledger.database.drop_now().await
    }

    fn median(&self, value: fn(&LoadOutcome) -> f64) -> f64 {
        median(self.rounds.iter().map(value))
    }
}

pub(crate) async fn findings(options: &Options) -> anyhow::Result<Findings> {
    let mut findings = ledger_findings(options, LedgerKind::Orders, options.large()).await?;
    findings.add(ledger_findings(options, LedgerKind::Renewals, options.renewals()).await?);
    Ok(findings)
}

async fn ledger_findings(options: &Options, told: LedgerKind, large: u64) -> anyhow::Result<Findings> {
    let title = told.name();
    let load = match told {
        LedgerKind::Orders => "New orders.",
        LedgerKind::Renewals => {
            "Renewals of subscriptions that are known, by a service that has just been started and so remembers none of them."
        }
    };
    note(format_args!("growth: {title}"));
    let mut small = Served::new(options, options.small(), told, 6_000_000).await?;
    let mut large = Served::new(options, large, told, 6_500_000).await?;
    for _ in 0..options.rounds() {
        small.load(options).await?;
        large.load(options).await?;
    }
    let mut details = format!(
        "## Ingest as a ledger of {title} grows\n\n{load} Over HTTP, {SENDERS} senders; medians of {} interleaved rounds of {} s, \
         views folded beside.\n\n| events before | after all rounds | webhooks/s | p50 ms | p99 ms |\n|--:|--:|--:|--:|--:|\n",
        options.rounds(),
        options.seconds().as_secs_f64()
    );
    for served in [&small, &large] {
        let added: u64 = served.rounds.iter().map(|round| round.acknowledged).sum();
        writeln!(
            details,
            "| {} | {} | {:.0} | {:.2} | {:.2} |",
            served.ledger.events,
            served.ledger.events + added,
            served.median(|round| round.per_second),
            served.median(|round| round.p50_ms),
            served.median(|round| round.p99_ms)
        )?;
    }
    let rate = |served: &Served| served.median(|round| round.per_second);
    let row = Row::relative(
        format!(
            "ingest of {title} at {} events against {}",
            large.ledger.events, small.ledger.events
        ),
        rate(&large),
        "/s",
        (rate(&small), "the small ledger"),
        Goal::AtLeast(0.85),
    );
    small.stop().await?;
    large.stop().await?;
    Ok(Findings {
        rows: vec![row],
        details,
    })
}
