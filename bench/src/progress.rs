//! What is going on, on stderr.

use std::io::Write;

/// Tells it; nobody may be there to read.
pub(crate) fn note(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
