//! Progress messages on stderr.

use std::io::Write;

/// Prints a message; stderr may be closed.
pub(crate) fn note(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
