//! Progress of a long command, on stderr: a bar on a terminal, otherwise a plain line every few seconds.

use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

/// How often the bar is redrawn; drawing it for every event would cost more than the event.
const REDRAW: Duration = Duration::from_millis(100);
/// How often a plain line is printed.
const PLAIN: Duration = Duration::from_secs(5);

const EVENTS: &str = "{prefix} {bar:32} {pos}/{len} events  {msg}";
const KEYS: &str = "{prefix} {bar:32} {pos}/{len} keys  {msg}";
const BYTES: &str = "{prefix} {bar:32} {bytes}/{total_bytes}  {msg}";
const ENDLESS: &str = "{prefix} {spinner} {bytes}  {msg}";

/// The unit of the count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Events,
    Keys,
    Bytes,
}

impl Unit {
    /// The unit of the rate.
    fn rated(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            // bytes are read, but the rate counts the events in them
            Self::Events | Self::Bytes => "events",
        }
    }
}

/// Shows the progress of a command.
pub(super) struct Meter {
    unit: Unit,
    label: String,
    bar: ProgressBar,
    begun: Instant,
    shown: Instant,
    /// The first reported count; resumed work doesn't begin at 0.
    first: Option<u64>,
}

impl Meter {
    /// Counts events up to an end that may move.
    pub(super) fn events(label: impl Into<String>) -> Self {
        Self::new(Unit::Events, label.into(), EVENTS, ProgressBar::new(0))
    }

    /// Counts keys up to an end that may move.
    pub(super) fn keys(label: impl Into<String>) -> Self {
        Self::new(Unit::Keys, label.into(), KEYS, ProgressBar::new(0))
    }

    /// Counts bytes; `total` if it is known.
    pub(super) fn bytes(label: impl Into<String>, total: Option<u64>) -> Self {
        match total {
            Some(total) => Self::new(Unit::Bytes, label.into(), BYTES, ProgressBar::new(total)),
            None => Self::new(Unit::Bytes, label.into(), ENDLESS, ProgressBar::no_length()),
        }
    }

    fn new(unit: Unit, label: String, template: &str, bar: ProgressBar) -> Self {
        // cannot fail: the templates are constants, and a test builds them
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well formed"));
        bar.set_prefix(label.clone());
        let now = Instant::now();
        Self {
            unit,
            label,
            bar,
            begun: now,
            shown: now,
            first: None,
        }
    }

    /// Sets the count of keys.
    pub(super) fn keys_at(&mut self, done: u64, total: u64) {
        self.events_at(done, total);
    }

    /// Sets the count of events.
    pub(super) fn events_at(&mut self, done: u64, total: u64) {
        let first = *self.first.get_or_insert(done);
        self.show(done, Some(total), done.saturating_sub(first));
    }

    /// Sets the count of bytes read, and of the events in them.
    pub(super) fn bytes_at(&mut self, done: u64, events: u64) {
        self.show(done, self.bar.length(), events);
    }

    fn show(&mut self, done: u64, total: Option<u64>, events: u64) {
        let pause = if self.bar.is_hidden() { PLAIN } else { REDRAW };
        if self.shown.elapsed() < pause {
            return;
        }
        self.shown = Instant::now();
        let progressed = done.saturating_sub(self.first.unwrap_or(0));
        let left = total.map(|total| total.saturating_sub(done));
        let pace = pace(self.begun.elapsed(), events, self.unit.rated(), progressed, left);
        if self.bar.is_hidden() {
            eprintln!("{} {}  {pace}", self.label, self.plain(done, total));
            return;
        }
        if let Some(total) = total {
            self.bar.set_length(total);
        }
        self.bar.set_position(done);
        self.bar.set_message(pace);
    }

    fn plain(&self, done: u64, total: Option<u64>) -> String {
        match (self.unit, total) {
            (Unit::Events | Unit::Keys, Some(total)) => format!("{done}/{total} {}", self.unit.rated()),
            (Unit::Events | Unit::Keys, None) => format!("{done} {}", self.unit.rated()),
            (Unit::Bytes, Some(total)) => format!("{}/{}", HumanBytes(done), HumanBytes(total)),
            (Unit::Bytes, None) => HumanBytes(done).to_string(),
        }
    }

    /// Prints a line on stderr, above the bar.
    pub(super) fn say(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    /// Time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Events or keys a second, and the estimated time left.
fn pace(elapsed: Duration, events: u64, noun: &str, progressed: u64, left: Option<u64>) -> String {
    let elapsed = elapsed.as_secs_f64().max(1e-3);
    let rate = format!("{:.0} {noun}/s", events as f64 / elapsed);
    match left {
        Some(left) if progressed > 0 => {
            let seconds = left as f64 * elapsed / progressed as f64;
            format!("{rate}  {} left", duration(seconds.ceil() as u64))
        }
        _ => rate,
    }
}

fn duration(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_can_be_drawn() {
        drop((
            Meter::events("orders"),
            Meter::keys("rotate"),
            Meter::bytes("f", Some(1)),
            Meter::bytes("f", None),
        ));
    }

    #[test]
    fn the_pace_is_that_of_this_run() {
        let second = Duration::from_secs(1);
        assert_eq!(
            pace(second * 2, 500, "events", 1000, Some(1000)),
            "250 events/s  2 s left"
        );
        assert_eq!(pace(second, 500, "keys", 500, None), "500 keys/s");
        assert_eq!(pace(second, 0, "events", 0, Some(9)), "0 events/s");
        assert_eq!(
            (duration(59), duration(61), duration(7300)),
            ("59 s".to_owned(), "1 min 1 s".to_owned(), "2 h 1 min".to_owned())
        );
    }
}
