//! Measures warmledger's performance goals beside peers on the same machine, in interleaved rounds.
//!
//! Layout
//! - `options`: what to measure; `run`: the parts, one after the other; `goals`: the table
//! - `rounds`, `round`: ingest; `contender`: the contenders; `report`: the results
//! - `batching`, `rebuild`, `limits`, `verify`, `as_of`, `start_up`, `growth`: the other parts
//! - `prepared`: a ledger of a given size for them; `fill`: filling it
//! - `child`: the measured processes, `role`: their roles; `pass`: one rebuild; `plain`: the peer; `ledger`: our ledger
//!   without HTTP; `peer`: postgres-es
//! - `load`: the closed loop of senders; `payloads`: the webhooks; `client`: a caller of the API
//! - `database`: throwaway databases and their checks; `folding`: the progress of the views
//! - `cpu`, `memory`, `machine`: resources used, and the machine; `progress`: progress messages
//!
//! Every measured program runs in a process of its own, so that the generator's CPU is counted separately, and all
//! compete for the same cores.

mod as_of;
mod batching;
mod child;
mod client;
mod contender;
mod cpu;
mod database;
mod fill;
mod folding;
mod goals;
mod growth;
mod ledger;
mod limits;
mod load;
mod machine;
mod memory;
mod options;
mod pass;
mod payloads;
mod peer;
mod plain;
mod prepared;
mod progress;
mod rebuild;
mod report;
mod role;
mod round;
mod rounds;
mod run;
mod start_up;
mod verify;

use clap::Parser;

use child::CHILD;
use options::Options;
use role::Child;

/// Measures warmledger beside a plain service and postgres-es, and holds the figures against what is to be reached.
#[derive(Parser)]
#[command(after_help = "\
Databases are made for the run and dropped after it.

Examples:
  cargo run --profile dist -p bench
  cargo run --profile dist -p bench -- --quick
  cargo run --profile dist -p bench -- ingest --senders 64 --only plain --only http-postgres --rounds 7
  cargo run --profile dist -p bench -- rebuild verify as-of start-up --events 100000
  cargo run --profile dist -p bench -- growth --large 1000000")]
struct Cli {
    #[command(flatten)]
    options: Options,
}

/// The allocator of warmledger; the plain service gets it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().peekable();
    let program = arguments.next();
    if arguments.peek().is_some_and(|first| first == CHILD) {
        // measured roles get the runtime of the service
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        return runtime.block_on(Child::parse_from(arguments).run());
    }
    let cli = Cli::parse_from(program.into_iter().chain(arguments));
    // the generator is one thread, so as to take little CPU from the measured processes
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            done = run::run(&cli.options) => done,
            // dropping the run drops its databases
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                anyhow::bail!("interrupted");
            }
        }
    })
}
