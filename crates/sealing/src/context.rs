//! The place that a sealed section is bound to.

use aggregates::{EventId, StreamId};

use super::aead;
use secret::Wiped;

/// The label of the associated data, with its version.
const LABEL: &str = "warmledger section v1";

/// A sealed part of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Section {
    /// E-mail addresses, names, pictures.
    Personal,
    /// Passwords, app passwords, TOTP seeds.
    Secrets,
    /// The exact body and its signature headers.
    Original,
}

impl Section {
    /// Every section.
    pub const ALL: [Self; 3] = [Self::Personal, Self::Secrets, Self::Original];

    /// The name that the seal is bound to, so it never changes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Secrets => "secrets",
            Self::Original => "original",
        }
    }
}

/// The place of a sealed section. It cannot be opened at another place.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The event's stream.
    pub stream: &'a StreamId,
    /// The sender's event id.
    pub event_id: &'a EventId,
    /// The section.
    pub section: Section,
    /// The schema version of the event's facts.
    pub schema_version: u32,
}

impl Context<'_> {
    /// The associated data. It includes the prefix of the compression, which comes from outside the seal: with another
    /// prefix zstd would decompress to another text without an error.
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
