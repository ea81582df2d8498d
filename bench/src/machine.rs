//! The machine and software of a run.

use std::fmt;
use std::process::Command;

use jiff::Timestamp;
use serde::Serialize;
use sqlx::{Connection, PgConnection};

/// The machine and the software.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) cores: usize,
    pub(crate) cpu: String,
    /// The load average over a minute before the run, from other programs.
    pub(crate) load_average: String,
    pub(crate) postgres: String,
    /// The settings that affect durability.
    pub(crate) durability: String,
    pub(crate) rustc: String,
}

impl Machine {
    /// Reads them from the system and the database server.
    pub(crate) async fn ask(postgres_url: &str) -> anyhow::Result<Self> {
        let mut connection = PgConnection::connect(postgres_url).await?;
        let (version, fsync, synchronous): (String, String, String) = sqlx::query_as(
            "SELECT current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit')",
        )
        .fetch_one(&mut connection)
        .await?;
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo
            .lines()
            .find(|line| line.starts_with("model name"))
            .and_then(|line| line.split_once(':'));
        let rustc = Command::new("rustc").arg("--version").output();
        Ok(Self {
            date: Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            cpu: model.map_or("unknown CPU", |(_, model)| model.trim()).to_owned(),
            load_average: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            postgres: version,
            durability: format!("fsync={fsync}, synchronous_commit={synchronous}; SQLite synchronous=FULL"),
            rustc: rustc.map_or_else(
                |_| "rustc unknown".to_owned(),
                |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            ),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            date,
            cores,
            cpu,
            load_average,
            postgres,
            durability,
            rustc,
        } = self;
        write!(
            f,
            "{date}; warmledger {}; {cores} cores, {cpu}, load average before {load_average}; PostgreSQL {postgres} \
             ({durability}); {rustc}.",
            env!("CARGO_PKG_VERSION")
        )
    }
}
