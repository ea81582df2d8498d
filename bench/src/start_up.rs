//! Starting on a large ledger, and the service's memory: idle, and under load.

use std::fmt::Write;
use std::time::{Duration, Instant};

use crate::child::Server;
use crate::client::Client;
use crate::goals::{Findings, Goal, Row, median};
use crate::load::{self, Window};
use crate::memory::Memory;
use crate::options::Options;
use crate::payloads::Payloads;
use crate::prepared::Prepared;
use crate::progress::note;

const SENDERS: usize = 64;
/// More webhooks than any machine records in a second.
const PER_SECOND: f64 = 28_000.0;
/// How long a service without work takes to be idle.
const QUIET: Duration = Duration::from_secs(2);
/// Between two checks for readiness.
const LOOK: Duration = Duration::from_millis(1);

/// One start.
struct Start {
    seconds: f64,
    idle: f64,
    under_load: f64,
}

pub(crate) async fn findings(options: &Options, ledger: &Prepared) -> anyhow::Result<Findings> {
    let mut starts = Vec::new();
    for number in 0..options.rounds() {
        let start = measure(options, ledger, number as u64).await?;
        note(format_args!(
            "  ready after {:.3} s, {:.0} MB idle, at most {:.0} MB under load",
            start.seconds, start.idle, start.under_load
        ));
        starts.push(start);
    }
    let of = |value: fn(&Start) -> f64| median(starts.iter().map(value));
    let rows = vec![
        Row::absolute(
            "start-up: process begun to `/readyz` 200",
            of(|start| start.seconds),
            "s",
            Goal::AtMost(1.0),
        ),
        Row::absolute("idle memory", of(|start| start.idle), "MB", Goal::AtMost(60.0)),
        Row::absolute(
            format!("peak memory under load, {SENDERS} senders"),
            of(|start| start.under_load),
            "MB",
            Goal::AtMost(256.0),
        ),
    ];
    let mut details = format!(
        "## Start-up and memory at {} events, PostgreSQL\n\n\
         Resident memory {} s after the start, and its peak after {} s of load with {SENDERS} senders.\n\n\
         | start | s to ready | idle MB | peak MB under load |\n|--:|--:|--:|--:|\n",
        ledger.events,
        QUIET.as_secs(),
        (options.warm_up() + options.seconds()).as_secs_f64()
    );
    for (number, start) in (1..).zip(&starts) {
        writeln!(
            details,
            "| {number} | {:.3} | {:.0} | {:.0} |",
            start.seconds, start.idle, start.under_load
        )?;
    }
    Ok(Findings { rows, details })
}

async fn measure(options: &Options, ledger: &Prepared, number: u64) -> anyhow::Result<Start> {
    let seconds = (options.warm_up() + options.seconds()).as_secs_f64();
    let count = (seconds * PER_SECOND) as usize;
    let payloads = Payloads::of_plans(count, count, 8_000_000 + number);
    let begun = Instant::now();
    let mut server = Server::service(&ledger.database.url, ledger.database.dir.path())?;
    let address = server.address().await?;
    let mut client = Client::connect(address, "").await?;
    client.until_there("/readyz", LOOK).await?;
    let seconds = begun.elapsed().as_secs_f64();
    tokio::time::sleep(QUIET).await;
    let idle = Memory::of(server.id()).now;
    let window = Window::starting_now(options.warm_up(), options.seconds());
    load::over_http(&[address], SENDERS, &payloads, window).await?;
    let under_load = Memory::of(server.id()).peak;
    // the next start must have no events to fold
    ledger.database.caught_up().await?;
    server.stop().await?;
    Ok(Start {
        seconds,
        idle,
        under_load,
    })
}
