//! The provider of mailboxes.

use std::fmt;

use serde::Serialize;

/// The provider of an order's mailboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Provider {
    /// Google Workspace.
    Google,
    /// Microsoft 365.
    Microsoft,
}

impl Provider {
    /// The name in the payloads: `GOOGLE` or `MICROSOFT`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Google => "GOOGLE",
            Self::Microsoft => "MICROSOFT",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
