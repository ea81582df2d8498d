//! What to measure, how large and for how long.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::contender::Contender;

/// What can be measured alone.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Durable webhooks a second, of warmledger, its ledger alone and the peers, with 1, 16 and 64 senders
    Ingest,
    /// Batch sizes and latencies with 1, 4, 16 and 64 senders
    Batching,
    /// What disk, COPY and hash allow on this machine
    Limits,
    /// Rebuilds of all projections on both stores, against a replay of cqrs-es
    Rebuild,
    /// `verify`, quick and full
    Verify,
    /// Reads of a large ledger, as it is and as of earlier moments
    AsOf,
    /// Start-up on a large ledger, memory when idle and under load
    StartUp,
    /// Ingest into a very large ledger against a small one
    Growth,
}

/// Everything that can be chosen.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Measure only this; may be repeated
    #[arg(value_enum)]
    pub(crate) parts: Vec<Part>,
    /// The same at a small scale, in under three minutes: enough to see that everything works
    #[arg(long)]
    pub(crate) quick: bool,
    /// Events of the ledger that is rebuilt, verified, read and started [default: 1000000; 8000 with --quick]
    #[arg(long)]
    events: Option<u64>,
    /// Events of the ledger of renewals that is rebuilt and grows [default: 1000000; 8000 with --quick]
    #[arg(long)]
    renewals: Option<u64>,
    /// Events of the very large ledger [default: 5000000; 15000 with --quick]
    #[arg(long)]
    large: Option<u64>,
    /// Events of the small ledger that it is held against [default: 100000; 3000 with --quick]
    #[arg(long)]
    small: Option<u64>,
    /// Rounds of everything that takes turns [default: 3; 2 with --quick]
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds that count in each round of load [default: 40; 1 with --quick]
    #[arg(long)]
    seconds: Option<f64>,
    /// Seconds at the beginning of each round of load that don't count [default: 5; 0.5 with --quick]
    #[arg(long)]
    warm_up: Option<f64>,
    /// Calls of each kind of read [default: 2000; 200 with --quick]
    #[arg(long)]
    calls: Option<usize>,
    /// Ingest: how many senders, each with one request under way
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64])]
    pub(crate) senders: Vec<usize>,
    /// Ingest: measure only these; may be repeated
    #[arg(long, value_enum)]
    only: Vec<Contender>,
    /// The tuned plain service's connections to PostgreSQL
    #[arg(long, default_value_t = 16)]
    pub(crate) plain_pool: u32,
    /// Where databases may be created
    #[arg(
        long,
        env = "BENCH_POSTGRES_URL",
        hide_env_values = true,
        default_value = "postgres://127.0.0.1:5432/postgres"
    )]
    pub(crate) postgres_url: String,
    /// Where SQLite's files are put [default: beside this program]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Ingest: write the figures of every round as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write what is printed to bench/RESULTS.md
    #[arg(long)]
    pub(crate) write_results: bool,
}

impl Options {
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }

    fn scaled<T>(&self, chosen: Option<T>, full: T, quick: T) -> T {
        chosen.unwrap_or(if self.quick { quick } else { full })
    }

    pub(crate) fn events(&self) -> u64 {
        self.scaled(self.events, 1_000_000, 8_000)
    }

    pub(crate) fn renewals(&self) -> u64 {
        self.scaled(self.renewals, 1_000_000, 8_000)
    }

    pub(crate) fn large(&self) -> u64 {
        self.scaled(self.large, 5_000_000, 15_000)
    }

    pub(crate) fn small(&self) -> u64 {
        self.scaled(self.small, 100_000, 3_000)
    }

    pub(crate) fn rounds(&self) -> usize {
        self.scaled(self.rounds, 3, 2)
    }

    pub(crate) fn seconds(&self) -> Duration {
        Duration::from_secs_f64(self.scaled(self.seconds, 40.0, 1.0))
    }

    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.scaled(self.warm_up, 5.0, 0.5))
    }

    pub(crate) fn calls(&self) -> usize {
        self.scaled(self.calls, 2_000, 200)
    }

    /// The most senders of the ingest rounds.
    pub(crate) fn most_senders(&self) -> usize {
        self.senders.iter().copied().max().unwrap_or_default()
    }

    /// The contenders with this many senders.
    pub(crate) fn contenders(&self, senders: usize) -> Vec<Contender> {
        let most = senders == self.most_senders();
        let wanted = |contender: &Contender| match self.only.as_slice() {
            [] => contender.takes_part(most, self.quick),
            only => only.contains(contender),
        };
        Contender::ALL.into_iter().filter(wanted).collect()
    }

    /// The directory of SQLite's files and the data directories.
    pub(crate) fn dir(&self) -> anyhow::Result<PathBuf> {
        match &self.dir {
            Some(dir) => Ok(dir.clone()),
            // not the temporary directory: it may be in memory, where writes are not durable
            None => Ok(std::env::current_exe()?
                .parent()
                .map_or_else(|| PathBuf::from("."), PathBuf::from)),
        }
    }
}
