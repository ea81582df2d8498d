//! The rounds: contenders take turns, so that other load on the machine affects all of them.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};

use crate::child::{Server, ours};
use crate::contender::Contender;
use crate::cpu::Cpu;
use crate::database::Database;
use crate::goals::Findings;
use crate::load::{self, LoadOutcome, Window};
use crate::machine::Machine;
use crate::options::Options;
use crate::payloads::Payloads;
use crate::progress::note;
use crate::round::{Results, Round};
use crate::{peer, report};

/// Webhooks prepared for each second of a round; more than any contender records.
const PER_SECOND: [(usize, usize); 3] = [(1, 4_000), (16, 20_000), (usize::MAX, 28_000)];

/// Runs all rounds.
pub(crate) async fn findings(options: &Options, machine: &Machine) -> anyhow::Result<Findings> {
    let mut results = Results {
        machine: machine.clone(),
        seconds: options.seconds().as_secs_f64(),
        mean_body: Payloads::new(2_500, 0).mean_body(),
        plain_pool: options.plain_pool,
        rounds: Vec::new(),
    };
    for &senders in &options.senders {
        for number in 0..options.rounds() {
            for contender in options.contenders(senders) {
                let round = round(options, contender, senders, number).await;
                let round = round.with_context(|| format!("{} with {senders} senders", contender.title()))?;
                note(report::line(&round));
                results.rounds.push(round);
            }
        }
    }
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_vec_pretty(&results)?)?;
    }
    Ok(report::findings(&results))
}

async fn round(options: &Options, contender: Contender, senders: usize, number: usize) -> anyhow::Result<Round> {
    let dir = options.dir()?;
    let database = if contender.is_postgres() {
        Database::postgres(&options.postgres_url, &dir).await?
    } else {
        Database::sqlite(&dir)?
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
    let payloads = || match contender {
        Contender::MixedPostgres => Payloads::mixed(webhooks, seed),
        _ => Payloads::new(webhooks, seed),
    };
    let (mut servers, outcome, cpu, mut folding);
    folding = None;
    if contender.over_http() {
        let addresses;
        (servers, addresses) = serving(options, contender, database).await?;
        let payloads = payloads();
        let used = used(&servers, database);
        let watcher = match contender.folds() {
            true => Some(database.watcher().await?),
            false => None,
        };
        let window = Window::starting_now(warm_up, seconds);
        let watched = async {
            match watcher {
                Some(watcher) => watcher.watch(window).await.map(Some),
                None => Ok(None),
            }
        };
        let load = load::over_http(&addresses, senders, &payloads, window);
        let (tally, between, watched) = tokio::join!(load, between(window, &used), watched);
        (outcome, cpu, folding) = (tally?.outcome(window), between, watched?);
    } else {
        servers = vec![match contender {
            Contender::PostgresEs => peer::append(database, senders, &payloads(), false, options)?,
            Contender::PostgresEsView => peer::append(database, senders, &payloads(), true, options)?,
            _ => ledger_alone(options, senders, webhooks, seed, database)?,
        }];
        // it prints a line when it begins
        servers[0].line().await?;
        let used = used(&servers, database);
        let window = Window::starting_now(warm_up, seconds);
        let (result, between) = tokio::join!(servers[0].result::<LoadOutcome>(), between(window, &used));
        (outcome, cpu) = (result?, between);
    }
    let contents = match contender {
        plain if plain.is_plain() => database.contents_of("webhooks").await?,
        Contender::PostgresEs | Contender::PostgresEsView => database.contents_of("events").await?,
        _ => database.ledger_contents().await?,
    };
    for server in servers {
        server.stop().await?;
    }
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
        folding,
        outcome,
    })
}

fn used(servers: &[Server], database: &Database) -> impl Fn() -> Cpu + use<> {
    let ids: Vec<u32> = servers.iter().filter_map(Server::id).collect();
    let name = database.name().map(str::to_owned);
    move || Cpu::now(&ids, name.as_deref())
}

/// The CPU time used up to the beginning and up to the end of the window.
async fn between(window: Window, used: &impl Fn() -> Cpu) -> (Cpu, Cpu) {
    let until = |moment: Instant| tokio::time::sleep_until(moment.into());
    until(window.from).await;
    let before = used();
    until(window.to).await;
    (before, used())
}

/// Starts the servers of a contender; returns their addresses too.
async fn serving(
    options: &Options,
    contender: Contender,
    database: &Database,
) -> anyhow::Result<(Vec<Server>, Vec<std::net::SocketAddr>)> {
    let dir = database.dir.path();
    let mut servers = vec![match contender {
        kind if kind.is_plain() => plain(kind, options, database)?,
        _ => Server::service(&database.url, dir)?,
    }];
    let mut addresses = vec![servers[0].address().await?];
    if contender == Contender::TwoPostgres {
        let mut second = Server::service(&database.url, &copy_of_keys(dir)?)?;
        addresses.push(second.address().await?);
        servers.push(second);
    }
    Ok((servers, addresses))
}

/// A data directory for another process on the same ledger.
fn copy_of_keys(dir: &Path) -> anyhow::Result<PathBuf> {
    let second = dir.join("second");
    std::fs::DirBuilder::new().mode(0o700).create(&second)?;
    for file in std::fs::read_dir(dir)? {
        let file = file?.path();
        let extension = file.extension().and_then(|extension| extension.to_str());
        if let (Some("key" | "token"), Some(name)) = (extension, file.file_name()) {
            std::fs::copy(&file, second.join(name))?;
        }
    }
    Ok(second)
}

fn plain(kind: Contender, options: &Options, database: &Database) -> anyhow::Result<Server> {
    let mut arguments = vec![format!("--database-url={}", database.url)];
    if kind != Contender::PlainDefault {
        arguments.push(format!("--pool={}", options.plain_pool));
    }
    if kind == Contender::PlainTogether {
        arguments.push("--together".to_owned());
    }
    Server::start("plain", &arguments, database.dir.path())
}

fn ledger_alone(
    options: &Options,
    senders: usize,
    webhooks: usize,
    seed: u64,
    database: &Database,
) -> anyhow::Result<Server> {
    let dir = database.dir.path();
    let mut arguments = ours(&database.url, dir);
    arguments.extend([
        format!("--senders={senders}"),
        format!("--seconds={}", options.seconds().as_secs_f64()),
        format!("--warm-up={}", options.warm_up().as_secs_f64()),
        format!("--webhooks={webhooks}"),
        format!("--seed={seed}"),
    ]);
    Server::start("ledger", &arguments, dir)
}
