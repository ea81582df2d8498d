//! The canonical form of an event: the bytes of its leaf in the ledger's Merkle tree.
//!
//! The leaf is the JSON object below in the canonical form of RFC 8785: keys sorted, no white space, shortest escapes,
//! no floating-point numbers. Sealed sections are in it as the SHA-256 of their *sealed* bytes: anyone with the log can
//! check it without a key, and the hash is no help in guessing passwords.
//!
//! ```json
//! {"eventId":"…","facts":{…},"original":"<hex>","personal":"<hex>","position":7,
//!  "recordedAt":"2026-01-02T03:04:05.123456Z","schemaVersion":1,"secrets":"<hex>","source":"coldmailreseller",
//!  "stream":"order-…","subject":"…","type":"MailboxesAssigned","version":2}
//! ```
//! (on one line). `facts` are the stored bytes, which are canonical already. A section that the event does not have is
//! left out. `recordedAt` always has six decimals. The leaf's hash is SHA-256(0x00 ‖ leaf), RFC 6962 §2.1.
//!
//! Stored events never change, so neither does this form: `tests/fixtures/leaves.jsonl` holds golden leaves.

use aggregates::moment::MomentText;
use aggregates::{EventId, Position, Source, StreamId, SubjectId};
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use store::{NewEvent, RawEvent, SealedSections, StoredEvent};

/// SHA-256 of each sealed section that an event has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SectionHashes {
    /// Of the sealed personal data.
    pub personal: Option<[u8; 32]>,
    /// Of the sealed secrets.
    pub secrets: Option<[u8; 32]>,
    /// Of the sealed original.
    pub original: Option<[u8; 32]>,
}

impl SectionHashes {
    /// Hashes the sealed sections.
    pub fn of(sealed: &SealedSections) -> Self {
        Self {
            personal: sealed.personal.as_ref().map(sealing::Sealed::sha256),
            secrets: sealed.secrets.as_ref().map(sealing::Sealed::sha256),
            original: sealed.original.as_ref().map(sealing::Sealed::sha256),
        }
    }
}

/// The fields that the leaf covers.
pub struct Envelope<'a> {
    /// The event's position in the ledger.
    pub position: Position,
    /// Its stream.
    pub stream: &'a StreamId,
    /// Its version in the stream.
    pub version: u32,
    /// The source that sent it.
    pub source: &'a Source,
    /// The sender's event id.
    pub event_id: &'a EventId,
    /// Its stored type string.
    pub type_name: &'a str,
    /// The schema version of its facts.
    pub schema_version: u32,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The subject whose data key seals it.
    pub subject: &'a SubjectId,
    /// Its facts, canonical JSON.
    pub facts: &'a str,
    /// The hashes of its sealed sections.
    pub sections: SectionHashes,
}

/// The leaf's fields.
struct Leaf<'a> {
    event_id: &'a str,
    facts: &'a str,
    rest: Rest<'a>,
}

/// The fields after `eventId` and `facts`, in the order of their names.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rest<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    original: Option<Hex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    personal: Option<Hex>,
    position: u64,
    recorded_at: &'a str,
    schema_version: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    secrets: Option<Hex>,
    source: &'a str,
    stream: &'a str,
    subject: &'a str,
    #[serde(rename = "type")]
    type_name: &'a str,
    version: i64,
}

impl Leaf<'_> {
    /// The facts are copied unparsed.
    fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = Vec::with_capacity(self.facts.len() + 1024);
        bytes.extend_from_slice(b"{\"eventId\":");
        serde_json::to_writer(&mut bytes, self.event_id)?;
        bytes.extend_from_slice(b",\"facts\":");
        bytes.extend_from_slice(self.facts.as_bytes());
        let brace = bytes.len();
        serde_json::to_writer(&mut bytes, &self.rest)?;
        // continues the object
        bytes[brace] = b',';
        Ok(bytes)
    }
}

/// A hash in lower-case hexadecimal.
struct Hex([u8; 32]);

impl Serialize for Hex {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut digits = [0; 64];
        hex::encode_to_slice(self.0, &mut digits).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(std::str::from_utf8(&digits).map_err(serde::ser::Error::custom)?)
    }
}

impl<'a> Envelope<'a> {
    /// The envelope of an event that is about to be appended.
    pub fn of_new(event: &'a NewEvent, position: Position, recorded_at: Timestamp) -> Self {
        Self {
            position,
            stream: &event.stream,
            version: event.version,
            source: &event.source,
            event_id: &event.event_id,
            type_name: event.type_name,
            schema_version: event.schema_version,
            recorded_at,
            subject: &event.subject,
            facts: &event.facts,
            sections: SectionHashes::of(&event.sealed),
        }
    }

    /// The envelope of a stored event, read with its sealed sections.
    pub fn of_stored(event: &'a StoredEvent) -> Self {
        Self {
            position: event.position,
            stream: &event.stream,
            version: event.version,
            source: &event.source,
            event_id: &event.event_id,
            type_name: &event.type_name,
            schema_version: event.schema_version,
            recorded_at: event.recorded_at,
            subject: &event.subject,
            facts: &event.facts,
            sections: SectionHashes::of(&event.sealed),
        }
    }

    /// The leaf: canonical JSON in UTF-8. The facts are copied as stored, unparsed.
    ///
    /// # Errors
    /// None in practice: every field serialises. The serialiser's error is passed on all the same.
    pub fn leaf(&self) -> Result<Vec<u8>, serde_json::Error> {
        Leaf {
            event_id: self.event_id.as_str(),
            facts: self.facts,
            rest: Rest {
                original: self.sections.original.map(Hex),
                personal: self.sections.personal.map(Hex),
                position: self.position.0,
                recorded_at: &MomentText::with_decimals(self.recorded_at, 6),
                schema_version: self.schema_version.into(),
                secrets: self.sections.secrets.map(Hex),
                source: self.source.as_str(),
                stream: self.stream.as_str(),
                subject: self.subject.as_str(),
                type_name: self.type_name,
                version: self.version.into(),
            },
        }
        .to_bytes()
    }

    /// The leaf's hash (RFC 6962 §2.1).
    ///
    /// # Errors
    /// As [`Self::leaf`].
    pub fn leaf_hash(&self) -> Result<tlog::Hash, serde_json::Error> {
        Ok(tlog::leaf_hash(&self.leaf()?))
    }
}

/// The leaf of a stored row with unchecked contents.
///
/// # Errors
/// As [`Envelope::leaf`].
pub fn leaf_of_row(row: &RawEvent<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let digest = |section: Option<&[u8]>| section.map(|sealed| Hex(Sha256::digest(sealed).into()));
    Leaf {
        event_id: row.event_id,
        facts: row.facts,
        rest: Rest {
            original: digest(row.original),
            personal: digest(row.personal),
            position: row.position.unsigned_abs(),
            recorded_at: row.recorded_at,
            schema_version: row.schema_version,
            secrets: digest(row.secrets),
            source: row.source,
            stream: row.stream,
            subject: row.subject,
            type_name: row.type_name,
            version: row.version,
        },
    }
    .to_bytes()
}
