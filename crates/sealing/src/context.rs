//! Where a sealed section belongs.

use aggregates::{EventId, StreamId};

use super::aead;
use secret::Wiped;

/// What the associated data is of, and in which version.
const LABEL: &str = "warmledger section v1";

/// Which part of an event is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Section {
    /// E-mail addresses, names, pictures.
    Personal,
    /// Passwords, app passwords, TOTP seeds.
    Secrets,
    /// The exact body and the headers that sign it.
    Original,
}

impl Section {
    /// Every section.
    pub const ALL: [Self; 3] = [Self::Personal, Self::Secrets, Self::Original];

    /// The name that the seal is bound to, and so never changes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Secrets => "secrets",
            Self::Original => "original",
        }
    }
}

/// Where a sealed section belongs. It opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The event's stream.
    pub stream: &'a StreamId,
    /// The sender's id of the event.
    pub event_id: &'a EventId,
    /// Which section.
    pub section: Section,
    /// The schema version of the event's facts.
    pub schema_version: u32,
}

impl Context<'_> {
    /// The associated data. The prefix of the compression is part of it: it comes from outside the seal, and another one
    /// would unfold to another text without zstd noticing.
    pub(super) fn associated_data(&self, format: u8, prefix: &[u8]) -> Wiped<Vec<u8>> {
        aead::associated_data(
            LABEL,
            &[
                self.stream.as_str().as_bytes(),
                self.event_id.as_str().as_bytes(),
                self.section.name().as_bytes(),
                &self.schema_version.to_le_bytes(),
                &[format],
                prefix,
            ],
        )
    }
}
