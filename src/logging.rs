//! Log lines on stderr, so that stdout stays clean for data. Times are UTC.

use std::collections::HashMap;
use std::io::{IsTerminal, stderr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{self, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use crate::settings::{LogFormat, Settings};

/// The most lines from one place in the code per [`WINDOW`]; further ones are only counted.
const LINES: u64 = 20;
const WINDOW: Duration = Duration::from_secs(10);

/// Starts logging by the settings. Call it once, before anything else runs. `serves`: callers cause lines, so they are
/// sampled; this needs a runtime.
///
/// # Errors
/// If the filter is invalid (loaded settings have checked it already), or if logging was started before.
pub fn start(settings: &Settings, serves: bool) -> anyhow::Result<()> {
    // mute PostgreSQL's notices about repeated migrations, and the NATS client, as the relay logs its connection; a
    // filter that names these targets overrides this
    let log = with_crates(&settings.log);
    let filter = EnvFilter::try_new(format!("sqlx::postgres::notice=warn,async_nats=off,{log}"))
        .with_context(|| format!("setting `log` ({}) is not a tracing filter", settings.origin("log")))?;
    // https://no-color.org
    let ansi = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let sampled = serves.then(Sampled::default);
    if let Some(sampled) = sampled.clone() {
        tokio::spawn(sampled.tell());
    }
    let lines = fmt().with_env_filter(filter).with_writer(stderr).with_ansi(ansi);
    match settings.log_format {
        LogFormat::Pretty => lines.finish().with(sampled).try_init(),
        LogFormat::Json => lines.json().finish().with(sampled).try_init(),
    }
    .map_err(|error| anyhow!("logging can't be started: {error}"))
}

/// The crates of this program other than `warmledger` that log.
const CRATES: [&str; 5] = ["ledger", "proof", "runner", "store", "vault"];

/// Applies directives for `warmledger` to its crates too: users need not know the crates.
fn with_crates(filter: &str) -> String {
    let mut directives: Vec<String> = Vec::new();
    for directive in filter.split(',') {
        let own = directive.trim().strip_prefix("warmledger");
        match own {
            Some(level) if level.is_empty() || level.starts_with('=') => {
                directives.extend(CRATES.map(|name| format!("{name}{level}")));
            }
            Some(module) if CRATES.iter().any(|name| is_of(module, name)) => {
                directives.extend(module.strip_prefix("::").map(str::to_owned));
            }
            _ => {}
        }
    }
    directives.push(filter.to_owned());
    directives.join(",")
}

/// Whether `::store=debug` or `::store::lease` names the crate `store`.
fn is_of(module: &str, name: &str) -> bool {
    let rest = module.strip_prefix("::").and_then(|module| module.strip_prefix(name));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['=', ':']))
}

/// Drops lines that come too often from one place, so that callers cannot fill the disk. Only for INFO and above: DEBUG
/// is never sampled.
#[derive(Clone, Default)]
struct Sampled(Arc<Mutex<HashMap<Identifier, Place>>>);

/// One place in the code that logs.
struct Place {
    metadata: &'static Metadata<'static>,
    begun: Instant,
    lines: u64,
    left_out: u64,
}

impl Sampled {
    /// Whether to write a line. The map is bounded by the number of places in the code.
    fn takes(&self, metadata: &'static Metadata<'static>, now: Instant) -> bool {
        if *metadata.level() > Level::INFO {
            return true;
        }
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(metadata.callsite()).or_insert_with(|| Place {
            metadata,
            begun: now,
            lines: 0,
            left_out: 0,
        });
        if now.duration_since(place.begun) >= WINDOW {
            (place.begun, place.lines) = (now, 0);
        }
        place.lines += 1;
        let takes = place.lines <= LINES;
        place.left_out += u64::from(!takes);
        takes
    }

    /// The dropped lines since the last call: where, and how many.
    fn left_out(&self) -> Vec<(&'static Metadata<'static>, u64)> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left_out = places
            .values_mut()
            .map(|place| (place.metadata, std::mem::take(&mut place.left_out)));
        left_out.filter(|(_, count)| *count > 0).collect()
    }

    /// Logs the counts of dropped lines, for ever.
    async fn tell(self) {
        loop {
            tokio::time::sleep(WINDOW).await;
            for (metadata, count) in self.left_out() {
                let place = format_args!(
                    "{}:{}",
                    metadata.file().unwrap_or("?"),
                    metadata.line().unwrap_or_default()
                );
                tracing::warn!(
                    "{count} lines like those before, from {} ({place}), were left out",
                    metadata.target()
                );
            }
        }
    }
}

impl<S: Subscriber> Layer<S> for Sampled {
    fn event_enabled(&self, event: &Event<'_>, _: layer::Context<'_, S>) -> bool {
        self.takes(event.metadata(), Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes to memory.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_filter_of_the_program_is_one_of_its_crates_too() {
        assert_eq!(with_crates("info"), "info");
        assert_eq!(
            with_crates("warn,warmledger=debug"),
            "ledger=debug,proof=debug,runner=debug,store=debug,vault=debug,warn,warmledger=debug"
        );
        assert_eq!(
            with_crates("warmledger::store::lease=trace,warmledger::http=off,warmledgers=off"),
            "store::lease=trace,warmledger::store::lease=trace,warmledger::http=off,warmledgers=off"
        );
        // every crate that logs has to be listed
        for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/crates")).unwrap() {
            let path = entry.unwrap().path();
            let manifest = std::fs::read_to_string(path.join("Cargo.toml")).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap();
            assert_eq!(manifest.contains("tracing.workspace"), CRATES.contains(&name), "{name}");
        }
    }

    #[test]
    fn lines_that_come_too_often_from_one_place_are_counted_instead() {
        let (lines, sampled) = (Lines::default(), Sampled::default());
        let writer = lines.clone();
        let subscriber = fmt()
            .with_max_level(Level::DEBUG)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber.with(sampled.clone()), || {
            for number in 0..1_000 {
                tracing::warn!(number, "from outside");
                tracing::debug!(number, "asked for");
                if number % 100 == 0 {
                    tracing::error!(number, "seldom");
                }
            }
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let count = |word: &str| text.lines().filter(|line| line.contains(word)).count();
        assert_eq!(
            (count("from outside"), count("asked for"), count("seldom")),
            (20, 1_000, 10)
        );
        let left_out = sampled.left_out();
        assert_eq!(left_out.len(), 1);
        assert_eq!(left_out[0].1, 980);
        assert_eq!(sampled.left_out().len(), 0);
        // the next window allows lines again
        let (metadata, _) = left_out[0];
        assert!(sampled.takes(metadata, Instant::now() + WINDOW));
    }
}
