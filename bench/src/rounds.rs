//! The rounds: contenders take turns, so that whatever else happens on the machine happens to all of them.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, ensure};
use serde::Serialize;

use crate::Options;
use crate::child::Server;
use crate::contender::Contender;
use crate::cpu::Cpu;
use crate::database::Database;
use crate::load::{self, Outcome, Window};
use crate::machine::Machine;
use crate::payloads::Payloads;
use crate::report;

/// Webhooks that are made ready for each second of a round; more than any contender takes.
const PER_SECOND: [(usize, usize); 3] = [(1, 2_500), (16, 12_000), (usize::MAX, 20_000)];

/// One round of one contender.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Round {
    pub(crate) contender: Contender,
    pub(crate) senders: usize,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    /// Bytes on disk per webhook.
    pub(crate) bytes: f64,
    /// Events that the projections were behind when the load ended.
    pub(crate) lag: u64,
    /// Microseconds per webhook.
    pub(crate) cpu: Cpu,
}

/// Everything that a run has measured.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) seconds: f64,
    pub(crate) mean_body: f64,
    pub(crate) plain_pool: u32,
    pub(crate) plain_ping: bool,
    pub(crate) rounds: Vec<Round>,
}

/// Runs all rounds and reports.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let mut results = Results {
        machine: Machine::ask(&options.postgres_url)
            .await
            .context("PostgreSQL: --postgres-url")?,
        seconds: options.seconds().as_secs_f64(),
        mean_body: Payloads::new(2_500, 0).mean_body(),
        plain_pool: options.plain_pool,
        plain_ping: options.plain_ping,
        rounds: Vec::new(),
    };
    for &senders in &options.senders {
        for number in 0..options.rounds() {
            for contender in options.contenders() {
                let round = tokio::select! {
                    round = round(options, contender, senders, number) => round,
                    // dropping the round drops its database
                    interrupted = tokio::signal::ctrl_c() => {
                        interrupted?;
                        anyhow::bail!("interrupted");
                    }
                };
                let round = round.with_context(|| format!("{} with {senders} senders", contender.title()))?;
                writeln!(std::io::stderr(), "{}", report::line(&round))?;
                results.rounds.push(round);
            }
        }
    }
    let report = report::markdown(&results);
    write!(std::io::stdout(), "{report}")?;
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_vec_pretty(&results)?)?;
    }
    if options.write_results {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/RESULTS.md"), report)?;
    }
    Ok(())
}

async fn round(options: &Options, contender: Contender, senders: usize, number: usize) -> anyhow::Result<Round> {
    let parent = match &options.dir {
        Some(dir) => dir.clone(),
        // a temporary directory may be in memory, where nothing is durable
        None => std::env::current_exe()?
            .parent()
            .map_or_else(|| PathBuf::from("."), PathBuf::from),
    };
    let database = if contender.is_postgres() {
        Database::postgres(&options.postgres_url, &parent).await?
    } else {
        Database::sqlite(&parent)?
    };
    match measure(options, contender, senders, number, &database).await {
        Ok(round) => {
            database.drop_now().await?;
            Ok(round)
        }
        Err(error) => {
            let log = std::fs::read_to_string(database.dir.path().join("server.log")).unwrap_or_default();
            Err(error.context(format!("the server's log: {log}")))
        }
    }
}

async fn measure(
    options: &Options,
    contender: Contender,
    senders: usize,
    number: usize,
    database: &Database,
) -> anyhow::Result<Round> {
    let (warm_up, seconds) = (options.warm_up(), options.seconds());
    let per_second = PER_SECOND
        .iter()
        .find(|(most, _)| senders <= *most)
        .map_or(0, |(_, rate)| *rate);
    let webhooks = ((warm_up + seconds).as_secs_f64() * per_second as f64) as usize;
    let seed = 1_000 * senders as u64 + number as u64;
    let mut server = Server::start(
        &arguments(options, contender, senders, webhooks, seed, database),
        database.dir.path(),
    )?;
    let id = server.id();
    let used = || Cpu::now(id, database.name());
    let ready = server.line().await?;
    let (outcome, cpu) = if contender.over_http() {
        let payloads = Payloads::new(webhooks, seed);
        let window = Window::starting_now(warm_up, seconds);
        let load = load::over_http(ready.parse()?, senders, &payloads, window);
        let (tally, cpu) = tokio::join!(load, between(window, &used));
        (tally?.outcome(window), cpu)
    } else {
        let window = Window::starting_now(warm_up, seconds);
        let (line, cpu) = tokio::join!(server.line(), between(window, &used));
        (serde_json::from_str(&line?)?, cpu)
    };
    let contents = match contender {
        Contender::Plain => database.plain_contents().await?,
        _ => database.ledger_contents().await?,
    };
    server.stop().await?;
    ensure!(
        contents.rows == outcome.acknowledged,
        "{} webhooks were acknowledged, {} are stored",
        outcome.acknowledged,
        contents.rows
    );
    let (before, after) = cpu;
    Ok(Round {
        contender,
        senders,
        cpu: after.per_webhook(before, outcome.counted),
        bytes: contents.bytes as f64 / contents.rows.max(1) as f64,
        lag: contents.lag,
        outcome,
    })
}

/// The CPU time used up to the beginning and up to the end of the window.
async fn between(window: Window, used: &impl Fn() -> Cpu) -> (Cpu, Cpu) {
    let until = |moment: Instant| tokio::time::sleep_until(moment.into());
    until(window.from).await;
    let before = used();
    until(window.to).await;
    (before, used())
}

fn arguments(
    options: &Options,
    contender: Contender,
    senders: usize,
    webhooks: usize,
    seed: u64,
    database: &Database,
) -> Vec<String> {
    let role = match contender {
        Contender::Plain => "plain",
        Contender::HttpPostgres | Contender::HttpSqlite => "service",
        Contender::LedgerPostgres | Contender::LedgerSqlite => "ledger",
    };
    let mut arguments = vec![role.to_owned(), format!("--database-url={}", database.url)];
    if contender == Contender::Plain {
        arguments.push(format!("--pool={}", options.plain_pool));
        if options.plain_ping {
            arguments.push("--ping".to_owned());
        }
        return arguments;
    }
    arguments.push(format!("--data-dir={}", database.dir.path().display()));
    if role == "ledger" {
        arguments.extend([
            format!("--senders={senders}"),
            format!("--seconds={}", options.seconds().as_secs_f64()),
            format!("--warm-up={}", options.warm_up().as_secs_f64()),
            format!("--webhooks={webhooks}"),
            format!("--seed={seed}"),
        ]);
    }
    arguments
}
