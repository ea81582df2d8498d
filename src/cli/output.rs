//! Output of commands on stdout.

use std::io::{self, ErrorKind, Write};
use std::str::FromStr;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The flags of every list that is printed as a table.
#[derive(Clone, Copy, Args)]
pub struct ListArgs {
    /// Stop after this many items [default: all]
    #[arg(long, short = 'n', value_name = "N", value_parser = number)]
    limit: Option<u64>,
    /// Print a JSON array instead of a table
    #[arg(long)]
    pub json: bool,
}

impl ListArgs {
    /// The most items.
    pub fn limit(self) -> usize {
        self.limit
            .map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
    }

    /// Prints a list, as an array or as a table.
    ///
    /// # Errors
    /// If it can't be serialised, or stdout can't be written.
    pub fn print<T: Serialize, const N: usize>(
        self,
        mut items: Vec<T>,
        heading: [&str; N],
        row: impl Fn(&T) -> [String; N],
    ) -> anyhow::Result<()> {
        items.truncate(self.limit());
        if self.json {
            return print_json(&items);
        }
        let rows: Vec<_> = items.iter().map(row).collect();
        Ok(print(&table(heading, &rows))?)
    }
}

/// Parses a number, for clap.
///
/// # Errors
/// A message for the user.
pub fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "a number from 0 on is wanted".to_owned())
}

/// Parses a number that is not 0, for clap.
///
/// # Errors
/// A message for the user.
pub fn at_least_one<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "a number from 1 on is wanted".to_owned())
}

/// Parses a time, for clap.
///
/// # Errors
/// A message for the user.
pub fn time(text: &str) -> Result<Timestamp, String> {
    let wanted =
        "a time as RFC 3339 has it is wanted, e.g. 2026-03-01T12:00:00Z, or a day, e.g. 2026-03-01 (its start in UTC)";
    let day = || {
        let day: Date = text.parse()?;
        day.to_zoned(TimeZone::UTC).map(|start| start.timestamp())
    };
    text.parse()
        .or_else(|_: jiff::Error| day())
        .map_err(|_| wanted.to_owned())
}

/// Parses a position, for clap.
///
/// # Errors
/// A message for the user.
pub fn position(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| {
        "a position is wanted: a number from 0 on, and not an event's id; `warmledger events list` prints both of every event"
            .to_owned()
    })
}

/// Parses an event's position, which is at least 1, for clap.
///
/// # Errors
/// A message for the user.
pub fn position_of_an_event(text: &str) -> Result<u64, String> {
    match position(text)? {
        0 => Err("the first event is at position 1".to_owned()),
        position => Ok(position),
    }
}

/// Prints text on stdout. A closed pipe (`… | head`) is no error.
///
/// # Errors
/// If stdout can't be written for another reason.
pub fn print(text: &str) -> io::Result<()> {
    is_read(text).map(drop)
}

/// Prints text on stdout. Returns `false` if the pipe is closed: then the command can stop.
///
/// # Errors
/// If stdout can't be written for another reason.
pub fn is_read(text: &str) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true),
    }
}

/// Returns once the reader of stdout has closed the pipe; never, if stdout is not a pipe or a socket.
pub async fn reader_gone() {
    #[allow(
        deprecated,
        reason = "unsound for descriptors that are closed meanwhile, which stdout's is not"
    )]
    let stdout = AsyncFd::with_interest(io::stdout(), Interest::ERROR);
    // files can't be polled, and need not be
    if let Ok(stdout) = stdout
        && stdout.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// Prints a value as one line of JSON. Returns `false` if the pipe is closed.
///
/// # Errors
/// If it can't be serialised, or stdout can't be written.
pub fn print_line(value: &impl Serialize) -> anyhow::Result<bool> {
    Ok(is_read(&(serde_json::to_string(value)? + "\n"))?)
}

/// Prints a value as indented JSON.
///
/// # Errors
/// If it can't be serialised, or stdout can't be written.
pub fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(print(&(serde_json::to_string_pretty(value)? + "\n"))?)
}

/// A table of aligned columns under a heading, without lines, so that `awk` and `cut` can read it.
pub fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heading[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| {
        let padded = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect::<Vec<_>>();
        padded.join("  ").trim_end().to_owned() + "\n"
    };
    let body = rows.iter().map(|row| line(row.each_ref().map(String::as_str)));
    [line(heading.map(str::to_uppercase).each_ref().map(String::as_str))]
        .into_iter()
        .chain(body)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["é".to_owned(), "1".to_owned()], ["three".to_owned(), String::new()]];
        assert_eq!(table(["key", "value"], &rows), "KEY    VALUE\né      1\nthree\n");
    }
}
