//! What commands print on stdout.

use std::io::{self, ErrorKind, Write};

use serde::Serialize;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Prints text on stdout. A reader that has gone away (`… | head`) is no error.
///
/// # Errors
/// If stdout can't be written for another reason.
pub fn print(text: &str) -> io::Result<()> {
    is_read(text).map(drop)
}

/// Prints text on stdout and tells whether anybody still reads it: if not, there is no use in going on.
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

/// Returns once the reader of stdout has gone away; never, if stdout is not a pipe or a socket.
pub async fn reader_gone() {
    #[allow(
        deprecated,
        reason = "unsound for descriptors that are closed meanwhile, which stdout's is not"
    )]
    let stdout = AsyncFd::with_interest(io::stdout(), Interest::ERROR);
    // files can't be watched, and need not be
    if let Ok(stdout) = stdout
        && stdout.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// Prints a value as one line of JSON and tells whether anybody still reads it.
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
