//! Rebuilds of all projections in one pass, on both stores, taking turns with a replay of cqrs-es on as many events.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use tokio_util::sync::CancellationToken;
use warmledger::runner;
use warmledger::settings::DatabaseUrl;
use warmledger::store::{self, Mode};

use crate::child::{self};
use crate::database::Database;
use crate::goals::{Findings, Goal, Row, median};
use crate::memory::Memory;
use crate::options::Options;
use crate::pass::{Pass, measure};
use crate::payloads::LedgerKind;
use crate::peer::Replay;
use crate::prepared::Prepared;
use crate::progress::note;

#[derive(Args)]
pub(crate) struct RebuildArgs {
    #[arg(long)]
    database_url: String,
    #[arg(long)]
    data_dir: PathBuf,
}

/// The process that rebuilds, as `projections rebuild --all` does.
pub(crate) async fn run(args: RebuildArgs) -> anyhow::Result<()> {
    let url = DatabaseUrl::parse(&args.database_url).map_err(anyhow::Error::msg)?;
    let store = store::open(&url, Mode::Migrate).await?;
    let events = store.head().await?.position.0;
    let begun = Instant::now();
    runner::rebuild(&store, projections::all(), |_| {}, &CancellationToken::new()).await?;
    let pass = Pass {
        events,
        seconds: begun.elapsed().as_secs_f64(),
    };
    child::report(&pass).await?;
    store.close().await;
    Ok(())
}

/// Rebuilds the given ledger of orders and a new one of renewals, each also on SQLite, in turns with the peer.
pub(crate) async fn findings(options: &Options, orders: &Prepared) -> anyhow::Result<Findings> {
    let mut findings = ledger_findings(options, orders, LedgerKind::Orders).await?;
    note("rebuild: a ledger of renewals");
    let database = Database::postgres(&options.postgres_url, &options.dir()?).await?;
    let renewals = Prepared::new(database, options.renewals(), LedgerKind::Renewals).await?;
    findings.add(ledger_findings(options, &renewals, LedgerKind::Renewals).await?);
    renewals.database.drop_now().await?;
    Ok(findings)
}

async fn ledger_findings(options: &Options, postgres: &Prepared, told: LedgerKind) -> anyhow::Result<Findings> {
    let title = told.name();
    let explained = match told {
        LedgerKind::Orders => "Every event makes rows of its own.",
        LedgerKind::Renewals => {
            "Orders that were all placed at the beginning, and month by month the renewals of their subscriptions since."
        }
    };
    note(format_args!("rebuild: a ledger of {title} on SQLite"));
    let sqlite = Prepared::new(Database::sqlite(&options.dir()?)?, postgres.events, told).await?;
    let replay = Replay::new(options, postgres.events, told).await?;
    let mut passes: [Vec<(Pass, Memory)>; 3] = Default::default();
    for _ in 0..options.rounds() {
        passes[0].push(measure(&postgres.database).await?);
        passes[1].push(measure(&sqlite.database).await?);
        passes[2].push(replay.measure().await?);
        let last = passes.iter().filter_map(|passes| passes.last());
        let rates: Vec<String> = last.map(|(pass, _)| format!("{:.0}/s", pass.per_second())).collect();
        note(format_args!("  PostgreSQL, SQLite, cqrs-es: {}", rates.join(", ")));
    }
    replay.drop_now().await?;
    sqlite.database.drop_now().await?;

    let [on_postgres, on_sqlite, cqrs] = &passes;
    let rate = |passes: &[(Pass, Memory)]| median(passes.iter().map(|(pass, _)| pass.per_second()));
    let peak = |passes: &[(Pass, Memory)]| median(passes.iter().map(|(_, memory)| memory.peak));
    let [bytes, view_rows, entries] = postgres.database.views().await?;
    let each = |all: u64| all as f64 / postgres.events as f64;
    let rows = vec![
        Row::absolute(
            format!("views of a ledger of {title}, for each event, PostgreSQL: bytes, indexes included"),
            each(bytes),
            "bytes",
            Goal::None,
        ),
        Row::absolute("… rows", each(view_rows), "", Goal::None),
        Row::absolute("… entries of indexes", each(entries), "", Goal::None),
        Row::absolute(
            format!("rebuild of all projections, ledger of {title}, PostgreSQL"),
            rate(on_postgres),
            "events/s",
            Goal::AtLeast(100_000.0),
        ),
        Row::relative(
            "… against cqrs-es `replay_all` alone",
            rate(on_postgres),
            "events/s",
            (rate(cqrs), "cqrs-es"),
            Goal::AtLeast(3.0),
        ),
        Row::absolute("… peak memory", peak(on_postgres), "MB", Goal::AtMost(512.0)),
        Row::absolute("… on SQLite", rate(on_sqlite), "events/s", Goal::AtLeast(150_000.0)),
    ];
    let mut details = format!(
        "## Rebuild of all projections, ledger of {title}, {} events\n\n{explained} \
         Medians of {} interleaved rounds, each in a process of its own.\n\n\
         | | events/s | lowest–highest | peak memory MB |\n|---|--:|--:|--:|\n",
        postgres.events,
        options.rounds()
    );
    let titles = [
        "PostgreSQL",
        "SQLite",
        "cqrs-es `replay_all`, PostgreSQL, nothing written",
    ];
    for (title, passes) in titles.iter().zip(&passes) {
        let rates = passes.iter().map(|(pass, _)| pass.per_second());
        let (lowest, highest) = rates.fold((f64::MAX, 0.0_f64), |(low, high), rate| (low.min(rate), high.max(rate)));
        writeln!(
            details,
            "| {title} | {:.0} | {lowest:.0}–{highest:.0} | {:.0} |",
            rate(passes),
            peak(passes)
        )?;
    }
    Ok(Findings { rows, details })
}
