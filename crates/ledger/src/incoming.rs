//! A webhook made ready for recording: its claim, and its sections in plaintext, packed but not yet sealed.

use aggregates::{EventError, EventId, OrderEvent, Position, QuarantineReason, Source, WebhookQuarantined};

use super::address;
use super::body_hash::BodyHash;
use super::original::Original;
use super::same::same;
use crate::sections::Spelling;
use sealing::{EmailHash, FingerprintKey, Packed, SealError};
use secret::Secret;

/// The parts of a webhook that are sealed, in plaintext.
pub struct PlainSections {
    /// Personal data as JSON; none if there is none.
    pub personal: Option<Secret<Vec<u8>>>,
    /// JSON with the credentials; none if there are none.
    pub secrets: Option<Secret<Vec<u8>>>,
    /// How to spell the body again from the event; if set, the body is not kept.
    pub spelling: Option<Spelling>,
    /// The webhook itself.
    pub original: Original,
}

/// The sections compressed, ready to be sealed.
pub(super) struct PackedSections {
    pub(super) personal: Option<Packed>,
    pub(super) secrets: Option<Packed>,
    pub(super) original: Packed,
}

impl PlainSections {
    fn prefix<'a>(&'a self, facts: &'a str) -> [&'a [u8]; 3] {
        prefix(bytes(&self.personal), bytes(&self.secrets), facts)
    }
}

/// The prefix that the original is compressed against or spelled from: the other sections and the facts repeat most of
/// it.
pub(super) fn prefix<'a>(personal: Option<&'a [u8]>, secrets: Option<&'a [u8]>, facts: &'a str) -> [&'a [u8]; 3] {
    [
        personal.unwrap_or_default(),
        secrets.unwrap_or_default(),
        facts.as_bytes(),
    ]
}

/// A webhook, ready for recording.
pub struct Incoming {
    pub(super) source: Source,
    pub(super) event_id: EventId,
    pub(super) claim: OrderEvent,
    /// The claim's facts, which `packed.original` is compressed against.
    pub(super) facts: String,
    pub(super) plain: PlainSections,
    pub(super) packed: PackedSections,
    pub(super) body_hash: BodyHash,
    /// The hashes of the e-mail addresses in it.
    pub(super) emails: Vec<EmailHash>,
    /// The webhook's own claim, if it was quarantined because its event id is taken.
    claimed: Option<Claimed>,
}

/// The webhook's own claim, before it was quarantined.
struct Claimed {
    event_id: EventId,
    claim: OrderEvent,
    facts: String,
    original: Packed,
    emails: Vec<EmailHash>,
}

/// Why a webhook cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// Compression failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The facts cannot be written.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The headers cannot be written.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl Incoming {
    /// Makes a webhook ready: writes its facts, packs its sections and hashes its e-mail addresses. CPU work only.
    ///
    /// # Errors
    /// [`PrepareError`] if something cannot be written or compressed; never because of the webhook's content.
    pub fn prepare(
        source: Source,
        event_id: EventId,
        claim: OrderEvent,
        plain: PlainSections,
        fingerprints: &FingerprintKey,
    ) -> Result<Self, PrepareError> {
        let facts = claim.to_facts()?;
        let compress = |section: &Option<Secret<Vec<u8>>>| {
            let packed = section.as_ref().map(|plain| Packed::compress(plain.expose()));
            packed.transpose()
        };
        let packed = PackedSections {
            personal: compress(&plain.personal)?,
            // random text does not compress
            secrets: plain
                .secrets
                .as_ref()
                .map(|plain| Packed::stored(plain.expose()))
                .transpose()?,
            original: match plain.spelling {
                // bound to the facts and sections it is spelled from: with altered ones it would be another body
                Some(spelling) => Packed::stored_with_prefix(
                    plain.original.encode_spelled(spelling)?.expose(),
                    &plain.prefix(&facts),
                )?,
                None => pack_original(&plain, &facts)?,
            },
        };
        Ok(Self {
            source,
            event_id,
            facts,
            body_hash: BodyHash::of(plain.original.body.expose()),
            emails: emails(&plain, &claim, fingerprints),
            claim,
            plain,
            packed,
            claimed: None,
        })
    }

    /// The length of the body in bytes.
    pub fn size(&self) -> usize {
        self.plain.original.body.expose().len()
    }

    /// Whether two bodies have the same content: byte for byte, or as JSON.
    pub(super) fn says(&self, other: &[u8]) -> bool {
        same(self.plain.original.body.expose(), other)
    }

    /// Whether two webhooks' bodies have the same content.
    pub(super) fn says_the_same_as(&self, other: &Self) -> bool {
        self.body_hash == other.body_hash || self.says(other.plain.original.body.expose())
    }

    /// Gives it another event id. The body is kept as it came: it is spelled with its own id, so it is packed whole.
    pub(super) fn rename(&mut self, event_id: EventId) -> Result<(), PrepareError> {
        self.event_id = event_id;
        self.plain.spelling = None;
        self.packed.original = self.repack(&self.facts.clone())?;
        Ok(())
    }

    /// The hashes of its e-mail addresses, if it is recorded as this event.
    pub(super) fn emails_as(&self, event: &OrderEvent, fingerprints: &FingerprintKey) -> Vec<EmailHash> {
        emails(&self.plain, event, fingerprints)
    }

    /// Packs the original anew, after the order has added to the facts.
    pub(super) fn repack(&self, facts: &str) -> Result<Packed, PrepareError> {
        pack_original(&self.plain, facts)
    }

    /// Turns the webhook into a quarantined one: another event with other content has its event id.
    pub(super) fn quarantine(&mut self, taken_by: Position, fingerprints: &FingerprintKey) -> Result<(), PrepareError> {
        let own_id = self.event_id.clone();
        let name = match &self.claim {
            OrderEvent::WebhookQuarantined(facts) => facts.name.clone(),
            OrderEvent::WebhookUnrecognised(facts) => Some(facts.name.clone()),
            other => Some(other.type_name().to_owned()),
        };
        let claim = OrderEvent::WebhookQuarantined(WebhookQuarantined {
            conflicts_with: Some(taken_by),
            detail: format!("eventId {own_id} was recorded before, with other content, at position {taken_by}"),
            event_id: Some(own_id),
            name,
            reason: QuarantineReason::EventIdReused,
            sent_at: self.claim.sent_at(),
            size: self.size() as u64,
            unsigned: self.claim.is_unsigned(),
            user_id: self.claim.user_id().cloned(),
        });
        let facts = claim.to_facts()?;
        let original = self.repack(&facts)?;
        // a repeat of the same content gets the same id, and is a duplicate
        let fingerprint = fingerprints.of(self.plain.original.body.expose());
        let event_id = EventId::quarantine(&fingerprint.to_string());
        let claimed = Claimed {
            event_id: std::mem::replace(&mut self.event_id, event_id),
            claim: std::mem::replace(&mut self.claim, claim),
            facts: std::mem::replace(&mut self.facts, facts),
            original: std::mem::replace(&mut self.packed.original, original),
            emails: std::mem::take(&mut self.emails),
        };
        self.emails = self.emails_as(&self.claim, fingerprints);
        self.claimed.get_or_insert(claimed);
        Ok(())
    }

    /// Undoes [`Self::quarantine`]: the state it was decided on may have changed.
    pub(super) fn claim_again(&mut self) {
        if let Some(claimed) = self.claimed.take() {
            self.event_id = claimed.event_id;
            self.claim = claimed.claim;
            self.facts = claimed.facts;
            self.packed.original = claimed.original;
            self.emails = claimed.emails;
        }
    }
}

fn emails(plain: &PlainSections, event: &OrderEvent, fingerprints: &FingerprintKey) -> Vec<EmailHash> {
    bytes(&plain.personal).map_or_else(Vec::new, |personal| address::hashes(personal, event, fingerprints))
}

fn bytes(section: &Option<Secret<Vec<u8>>>) -> Option<&[u8]> {
    section.as_ref().map(|plain| plain.expose().as_slice())
}

/// The original as it came, compressed against the other sections and the facts.
fn pack_original(plain: &PlainSections, facts: &str) -> Result<Packed, PrepareError> {
    Ok(Packed::compress_with_prefix(
        plain.original.encode()?.expose(),
        &plain.prefix(facts),
    )?)
}
