//! Ingest into a very large ledger against a small one: the same load on both, in turns.

use std::fmt::Write;
use std::net::SocketAddr;

use crate::child::Server;
use crate::database::Database;
use crate::goals::{Findings, Goal, Row, median};
use crate::load::{self, Outcome, Window};
use crate::options::Options;
use crate::payloads::{Payloads, Told};
use crate::prepared::Prepared;
use crate::progress::note;

const SENDERS: usize = 64;
/// More webhooks than any machine records in a second.
const PER_SECOND: f64 = 28_000.0;

/// A ledger that is served.
struct Served {
    ledger: Prepared,
    server: Server,
    address: SocketAddr,
    rounds: Vec<Outcome>,
}

impl Served {
    async fn new(options: &Options, events: u64) -> anyhow::Result<Self> {
        let database = Database::postgres(&options.postgres_url, &options.dir()?).await?;
        let ledger = Prepared::new(database, events, Told::Orders).await?;
        let mut server = Server::service(&ledger.database.url, ledger.database.dir.path())?;
        let address = server.address().await?;
        ledger.database.caught_up().await?;
        Ok(Self {
            ledger,
            server,
            address,
            rounds: Vec::new(),
        })
    }

    async fn load(&mut self, options: &Options, seed: u64) -> anyhow::Result<()> {
        let seconds = (options.warm_up() + options.seconds()).as_secs_f64();
        let count = (seconds * PER_SECOND) as usize;
        let payloads = Payloads::of_plans(count, count, seed);
        let window = Window::starting_now(options.warm_up(), options.seconds());
        let tally = load::over_http(&[self.address], SENDERS, &payloads, window).await?;
        let outcome = tally.outcome(window);
        note(format_args!(
            "  at {} events and more: {:.0}/s",
            self.ledger.events, outcome.per_second
        ));
        self.rounds.push(outcome);
        // the other one is not to be disturbed by its folding
        self.ledger.database.caught_up().await
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.server.stop().await?;
        self.ledger.database.drop_now().await
    }

    fn median(&self, value: fn(&Outcome) -> f64) -> f64 {
        median(self.rounds.iter().map(value))
    }
}

pub(crate) async fn findings(options: &Options) -> anyhow::Result<Findings> {
    let mut small = Served::new(options, options.small()).await?;
    let mut large = Served::new(options, options.large()).await?;
    for number in 0..options.rounds() as u64 {
        small.load(options, 6_000_000 + number).await?;
        large.load(options, 6_500_000 + number).await?;
    }
    let mut details = format!(
        "## Ingest as the ledger grows\n\nOver HTTP, {SENDERS} senders; medians of {} interleaved rounds of {} s, views \
         folded beside.\n\n| events before | after all rounds | webhooks/s | p50 ms | p99 ms |\n|--:|--:|--:|--:|--:|\n",
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
            "ingest at {} events against {}",
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
