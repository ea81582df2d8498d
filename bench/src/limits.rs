//! The machine's limits for any durable ledger: the disk, reading the log, hashing a leaf.

use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use sqlx::{Connection, PgConnection};
use warmledger::tlog::{self, Frontier, Growth};

use crate::goals::{Findings, median};
use crate::options::Options;
use crate::prepared::Prepared;

/// How long each round writes to the disk.
const WRITTEN: Duration = Duration::from_secs(1);
/// A page of PostgreSQL's WAL.
const PAGE: [u8; 8192] = [7; 8192];
/// About the length of a leaf's entry.
const ENTRY: [u8; 1024] = [7; 1024];
const LEAVES: u32 = 1_000_000;

/// The columns of events that a rebuild reads.
const COPY: &str = "COPY (SELECT position, stream, version, source, event_id, type, schema_version, recorded_at, subject, \
                    facts FROM events ORDER BY position) TO STDOUT (FORMAT binary)";

pub(crate) async fn findings(options: &Options, ledger: &Prepared) -> anyhow::Result<Findings> {
    let (mut syncs, mut copies, mut leaves) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds() {
        syncs.push(syncs_per_second(options)?);
        copies.push(copied_per_second(ledger).await?);
        leaves.push(leaf_microseconds());
    }
    let mut details = "## Limits of the machine\n\n| | |\n|---|--:|\n".to_owned();
    writeln!(
        details,
        "| 8 KB written and fdatasync, where SQLite's files are | {:.0} /s |\n\
         | COPY of the log out of PostgreSQL, without what is sealed | {:.0} events/s |\n\
         | a leaf into the tree, SHA-256 of {} bytes included | {:.2} µs |",
        median(syncs),
        median(copies),
        ENTRY.len(),
        median(leaves)
    )?;
    Ok(Findings {
        rows: Vec::new(),
        details,
    })
}

fn syncs_per_second(options: &Options) -> anyhow::Result<f64> {
    let dir = tempfile::tempdir_in(options.dir()?)?;
    let file = File::create(dir.path().join("synced"))?;
    let begun = Instant::now();
    let mut syncs = 0_u64;
    while begun.elapsed() < WRITTEN {
        file.write_all_at(&PAGE, syncs * PAGE.len() as u64)?;
        file.sync_data()?;
        syncs += 1;
    }
    Ok(syncs as f64 / begun.elapsed().as_secs_f64())
}

async fn copied_per_second(ledger: &Prepared) -> anyhow::Result<f64> {
    let mut connection = PgConnection::connect(&ledger.database.url).await?;
    let begun = Instant::now();
    let copied = connection.copy_out_raw(COPY).await?;
    copied.try_for_each(async |_| Ok(())).await?;
    Ok(ledger.events as f64 / begun.elapsed().as_secs_f64())
}

fn leaf_microseconds() -> f64 {
    let mut growth = Growth::on(Frontier::default());
    let mut entry = ENTRY;
    let begun = Instant::now();
    for number in 0..LEAVES {
        entry[..4].copy_from_slice(&number.to_le_bytes());
        growth.push(tlog::leaf_hash(&entry));
    }
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(LEAVES)
}
