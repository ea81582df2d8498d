//! Log lines on stderr, so that stdout stays clean for data. Times are UTC.

use std::io::{IsTerminal, stderr};

use anyhow::{Context, anyhow};
use tracing_subscriber::{EnvFilter, fmt};

use crate::settings::{LogFormat, Settings};

/// Starts logging as the settings say. To be called once, before anything else runs.
///
/// # Errors
/// If the filter is wrong (loaded settings have it checked already), or if logging was started before.
pub fn start(settings: &Settings) -> anyhow::Result<()> {
    // what PostgreSQL remarks on repeated migrations is no news, and the relay itself tells of its connection; a filter that names the target has its own way
    let filter = EnvFilter::try_new(format!("sqlx::postgres::notice=warn,async_nats=off,{}", settings.log))
        .with_context(|| format!("setting `log` ({}) is not a tracing filter", settings.origin("log")))?;
    // https://no-color.org: colours only for people, and only if they don't mind.
    let ansi = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let subscriber = fmt().with_env_filter(filter).with_writer(stderr).with_ansi(ansi);
    match settings.log_format {
        LogFormat::Pretty => subscriber.try_init(),
        LogFormat::Json => subscriber.json().try_init(),
    }
    .map_err(|error| anyhow!("logging can't be started: {error}"))
}
