//! The way in: a webhook's signature is checked over its exact bytes before anything is read from it; then it becomes
//! a claim for the ledger, split by sensitivity.
//!
//! Layout
//! - `signature`: HMAC-SHA256 in the provider's spellings, and freshness
//! - `payload`: the provider's payloads, read tolerantly

mod payload;
pub mod signature;

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregates::{EventId, OrderEvent, Source, WebhookQuarantined};
use jiff::Timestamp;
use serde::Serialize;

use crate::ledger::{Incoming, Ledger, Original, PlainSections, Receipt, RecordError};
use crate::secret::Secret;
use crate::vault::FingerprintKey;
use payload::Delivery;
use signature::{Refusal, SIGNATURE_HEADER, Scheme, TIMESTAMP_HEADER, Verifier};

/// Headers that are kept with the original, as evidence.
const KEPT_HEADERS: [&str; 4] = ["content-type", SIGNATURE_HEADER, TIMESTAMP_HEADER, "user-agent"];
/// A longer value is not kept: no signature or timestamp is that long, and a sealed original has a bound.
const MAX_HEADER_BYTES: usize = 8 * 1024;

/// Why a webhook was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// It is not authentic; nothing of it is kept.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The ledger could not record it.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// What can be said of the signature on an original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(tag = "result", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum SignatureFinding {
    /// One of the source's keys gives it.
    Valid {
        /// Which: 1 is the first one in the settings.
        key: usize,
        /// What is signed.
        #[schema(value_type = String)]
        scheme: Scheme,
        /// Whether the time of sending is part of what is signed.
        timestamp_is_signed: bool,
        /// The time of sending that the headers name.
        #[serde(skip_serializing_if = "Option::is_none")]
        sent_at: Option<Timestamp>,
    },
    /// None of today's keys gives it: the key was retired, or is not that of the sender.
    NoKeyMatches,
    /// It was taken in without a signature, on an operator's word.
    Unsigned,
    /// The source is not configured any more.
    UnknownSource,
}

/// What has become of a quarantined webhook that was read again.
pub enum ReadAgain {
    /// It can still not be used, for this reason.
    Unusable(String),
    /// It is recorded, or was before.
    Recorded(Receipt),
}

/// The way in for one source.
pub struct Ingest {
    source: Source,
    verifier: Verifier,
    fingerprints: Arc<FingerprintKey>,
    ledger: Ledger,
}

impl Ingest {
    /// The way in for `source`, whose webhooks `verifier` checks.
    pub fn new(source: Source, verifier: Verifier, fingerprints: Arc<FingerprintKey>, ledger: Ledger) -> Self {
        Self {
            source,
            verifier,
            fingerprints,
            ledger,
        }
    }

    /// The source.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Checks and records a webhook; returns once it is durable. `header` gives a header's value by its name in lower
    /// case.
    ///
    /// # Errors
    /// [`IngestError::Refused`] if it is not authentic, with the part that failed; [`IngestError::Record`] if it could
    /// not be recorded, and then sending it again is safe.
    pub async fn receive<'h>(
        &self,
        header: impl Fn(&str) -> Option<&'h str>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Receipt, IngestError> {
        let sent_at = self
            .verifier
            .verify(header(SIGNATURE_HEADER), header(TIMESTAMP_HEADER), body, now)?;
        self.record(
            header,
            body,
            Delivery {
                size: body.len(),
                sent_at,
                unsigned: false,
            },
        )
        .await
    }

    /// Checks and records a captured delivery: as [`Self::receive`], but it is judged by the time that its own header
    /// names, since it was captured long ago.
    ///
    /// # Errors
    /// As [`Self::receive`].
    pub async fn replay<'h>(
        &self,
        header: impl Fn(&str) -> Option<&'h str>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Receipt, IngestError> {
        let claimed = header(TIMESTAMP_HEADER).and_then(signature::parse_timestamp);
        self.receive(header, body, claimed.unwrap_or(now)).await
    }

    /// Records a captured body without a signature, on an operator's word; the event is marked so.
    ///
    /// # Errors
    /// [`IngestError::Record`] if it could not be recorded.
    pub async fn record_unsigned(&self, body: &[u8]) -> Result<Receipt, IngestError> {
        self.record(
            |_| None,
            body,
            Delivery {
                size: body.len(),
                sent_at: None,
                unsigned: true,
            },
        )
        .await
    }

    /// Whether an original's signature is right by today's keys of the source.
    pub fn examine(&self, original: &Original) -> SignatureFinding {
        let header = |name: &str| original.headers.get(name).map(String::as_str);
        let Some(signature) = header(SIGNATURE_HEADER) else {
            return SignatureFinding::Unsigned;
        };
        let timestamp = header(TIMESTAMP_HEADER);
        match self.verifier.explain(signature, timestamp, original.body.expose()) {
            Some((key, scheme)) => SignatureFinding::Valid {
                key,
                scheme,
                timestamp_is_signed: scheme.signs_timestamp(),
                sent_at: timestamp.and_then(signature::parse_timestamp),
            },
            None => SignatureFinding::NoKeyMatches,
        }
    }

    /// Reads the original of a quarantined webhook again. None if it can still not be used, with the reason of today.
    ///
    /// # Errors
    /// [`RecordError`] if what it says cannot be recorded.
    pub async fn read_again(
        &self,
        original: &Original,
        quarantined: &WebhookQuarantined,
    ) -> Result<ReadAgain, RecordError> {
        let body = original.body.expose();
        let delivery = Delivery {
            size: body.len(),
            sent_at: quarantined.sent_at,
            unsigned: quarantined.unsigned,
        };
        if let OrderEvent::WebhookQuarantined(facts) = payload::parse(body, delivery).claim {
            return Ok(ReadAgain::Unusable(facts.detail));
        }
        let incoming = self.prepare(original.headers.clone(), body, delivery)?;
        Ok(ReadAgain::Recorded(self.ledger.record(incoming).await?))
    }

    async fn record<'h>(
        &self,
        header: impl Fn(&str) -> Option<&'h str>,
        body: &[u8],
        delivery: Delivery,
    ) -> Result<Receipt, IngestError> {
        let kept = KEPT_HEADERS.into_iter().filter_map(|name| {
            let value = header(name).filter(|value| value.len() <= MAX_HEADER_BYTES)?;
            Some((name.to_owned(), value.to_owned()))
        });
        let headers: BTreeMap<String, String> = kept.collect();
        let incoming = self.prepare(headers, body, delivery)?;
        Ok(self.ledger.record(incoming).await?)
    }

    fn prepare(
        &self,
        headers: BTreeMap<String, String>,
        body: &[u8],
        delivery: Delivery,
    ) -> Result<Incoming, RecordError> {
        let parsed = payload::parse(body, delivery);
        let event_id = parsed
            .event_id
            .unwrap_or_else(|| EventId::quarantine(&self.fingerprints.of(body).to_string()));
        let plain = PlainSections {
            personal: parsed.personal,
            secrets: parsed.secrets,
            spelling: parsed.spelling,
            original: Original {
                headers,
                body: Secret::new(body.to_vec()),
            },
        };
        Ok(Incoming::prepare(self.source.clone(), event_id, parsed.claim, plain)?)
    }
}
