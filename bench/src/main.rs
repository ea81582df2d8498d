//! Durable webhooks a second: warmledger against a plain service on the same PostgreSQL, in interleaved rounds.
//!
//! Layout
//! - `rounds`: the rounds, one contender after the other
//! - `contender`: who is measured; `child`: its process
//! - `plain`: the peer; `ledger`: our ledger without HTTP
//! - `load`: the closed loop of senders; `payloads`: what they send
//! - `database`: throwaway databases, and what is checked in them afterwards
//! - `as_of`: reads of a large ledger, as it is and as of earlier moments
//! - `verify`: checks of a large ledger
//! - `cpu`, `machine`: where the time went, and on what
//! - `report`: the table
//!
//! Every server runs in a process of its own, so that the generator's CPU is counted apart and all contend for the same
//! cores.

mod as_of;
mod child;
mod contender;
mod cpu;
mod database;
mod ledger;
mod load;
mod machine;
mod payloads;
mod plain;
mod report;
mod rounds;
mod verify;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use contender::Contender;

/// Measures durable webhooks a second: warmledger and a plain service, in interleaved rounds.
#[derive(Parser)]
#[command(after_help = "\
Every database is made for one round and dropped after it.

Examples:
  cargo run --release -p bench
  cargo run --release -p bench -- --quick
  cargo run --release -p bench -- --senders 64 --only plain --only http-postgres --rounds 7
  cargo run --release -p bench -- as-of --events 100000
  cargo run --release -p bench -- verify --events 100000")]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    options: Options,
}

/// What to measure.
#[derive(Args, Clone)]
struct Options {
    /// A short run, under two minutes: enough to see that everything works
    #[arg(long)]
    quick: bool,
    /// How many senders, each with one request under way
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64])]
    senders: Vec<usize>,
    /// Seconds that count in each round [default: 5; 2 with --quick]
    #[arg(long)]
    seconds: Option<f64>,
    /// Seconds at the beginning of each round that don't count [default: 1; 0.5 with --quick]
    #[arg(long)]
    warm_up: Option<f64>,
    /// Rounds of each contender at each number of senders [default: 5; 2 with --quick]
    #[arg(long)]
    rounds: Option<usize>,
    /// Measure only these contenders; may be given several times
    #[arg(long, value_enum)]
    only: Vec<Contender>,
    /// The plain service's connections to PostgreSQL
    #[arg(long, default_value_t = 16)]
    plain_pool: u32,
    /// Let the plain service's pool test a connection before each use, as sqlx does unless told otherwise
    #[arg(long)]
    plain_ping: bool,
    /// Where databases may be created
    #[arg(
        long,
        env = "BENCH_POSTGRES_URL",
        hide_env_values = true,
        default_value = "postgres://root@127.0.0.1:5432/postgres"
    )]
    postgres_url: String,
    /// Where SQLite's files are put [default: beside this program]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Write the figures of every round as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the table to bench/RESULTS.md
    #[arg(long)]
    write_results: bool,
}

impl Options {
    fn seconds(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.unwrap_or(if self.quick { 2.0 } else { 5.0 }))
    }

    fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up.unwrap_or(if self.quick { 0.5 } else { 1.0 }))
    }

    fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 2 } else { 5 })
    }

    fn contenders(&self) -> Vec<Contender> {
        let wanted = |contender: &Contender| self.only.is_empty() || self.only.contains(contender);
        Contender::ALL.into_iter().filter(wanted).collect()
    }
}

/// Something else to measure, or what this program is when it has started itself.
#[derive(Subcommand)]
enum Role {
    /// Reads of a ledger of a million events, as it is and as of earlier moments
    AsOf(as_of::AsOfArgs),
    /// Checks of a ledger of a million events, quick and full
    Verify(verify::VerifyArgs),
    #[command(hide = true)]
    Plain(plain::PlainArgs),
    #[command(hide = true)]
    Service(child::ServiceArgs),
    #[command(hide = true)]
    Ledger(ledger::LedgerArgs),
}

/// The allocator of the program that is measured; the plain service gets it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    // servers get the runtime that the service has; the generator is one thread, so as to take little from them
    let runtime = match &cli.role {
        Some(_) => tokio::runtime::Builder::new_multi_thread().enable_all().build()?,
        None => tokio::runtime::Builder::new_current_thread().enable_all().build()?,
    };
    match cli.role {
        Some(Role::AsOf(args)) => runtime.block_on(as_of::run(args)),
        Some(Role::Verify(args)) => runtime.block_on(verify::run(args)),
        Some(Role::Plain(args)) => runtime.block_on(plain::run(args)),
        Some(Role::Service(args)) => runtime.block_on(child::service(args)),
        Some(Role::Ledger(args)) => runtime.block_on(ledger::run(args)),
        None => runtime.block_on(rounds::run(&cli.options)),
    }
}
