//! CPU time of processes, from Linux's `/proc`. Without it, the times are 0.

use std::fs;

use serde::Serialize;

/// Ticks a second in `/proc/*/stat`: USER_HZ, 100 on every Linux architecture we know of.
const TICKS: f64 = 100.0;

/// Seconds of CPU so far, by process.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Cpu {
    /// The load generator.
    pub(crate) load: f64,
    /// The servers, or the ledger's process.
    pub(crate) server: f64,
    /// PostgreSQL's backends on the round's database.
    pub(crate) database: f64,
}

impl Cpu {
    /// The use so far of this process, the servers and the backends of a database.
    pub(crate) fn now(servers: &[u32], database: Option<&str>) -> Self {
        Self {
            load: seconds(std::process::id()).unwrap_or_default(),
            server: servers.iter().copied().filter_map(seconds).sum(),
            database: database.map(backends).unwrap_or_default(),
        }
    }

    /// The use between two moments, in microseconds per webhook.
    pub(crate) fn per_webhook(self, before: Self, webhooks: u64) -> Self {
        let per = |after: f64, before: f64| (after - before) * 1e6 / webhooks.max(1) as f64;
        Self {
            load: per(self.load, before.load),
            server: per(self.server, before.server),
            database: per(self.database, before.database),
        }
    }
}

/// User and system time of a process: fields 14 and 15 of its `stat`, see proc(5).
fn seconds(process: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // the second field is a name in brackets, which may hold anything
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS)
}

/// The time of a database's backends, whose titles name it: `postgres: USER DATABASE CLIENT STATE`.
fn backends(database: &str) -> f64 {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|process| {
            fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| {
                let title = String::from_utf8_lossy(&line);
                title.starts_with("postgres:") && title.split_whitespace().any(|word| word == database)
            })
        })
        .filter_map(seconds)
        .sum()
}
