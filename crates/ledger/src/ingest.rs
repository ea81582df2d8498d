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

use crate::content::{self, TooLong};
use crate::{Incoming, Ledger, Original, PlainSections, Receipt, RecordError};
use payload::Delivery;
use sealing::FingerprintKey;
use secret::{Secret, Wiped};
use signature::{Refusal, SIGNATURE_HEADER, Scheme, Screened, TIMESTAMP_HEADER, Verifier};

/// Says that a body is compressed.
pub const CONTENT_ENCODING: &str = "content-encoding";
/// Headers that are kept with the original, as evidence.
const KEPT_HEADERS: [&str; 5] = [
    CONTENT_ENCODING,
    "content-type",
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    "user-agent",
];
/// A longer value is not kept: no signature or timestamp is that long, and a sealed original has a bound.
const MAX_HEADER_BYTES: usize = 8 * 1024;

/// Why a webhook was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// It is not authentic; nothing of it is kept.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nobody could say what it is; nothing of it is kept.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The ledger could not record it.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// What can be said of the signature on an original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "camelCase")]
pub enum SignatureFinding {
    /// One of the source's keys gives it.
    Valid {
        /// Which: 1 is the first one in the settings.
        key: usize,
        /// What is signed.
        scheme: Scheme,
        /// Whether the time of sending is part of what is signed.
        #[serde(rename = "timestampIsSigned")]
        timestamp_is_signed: bool,
        /// The time of sending that the headers name.
        #[serde(rename = "sentAt", skip_serializing_if = "Option::is_none")]
        sent_at: Option<Timestamp>,
    },
    /// None of today's keys gives it: the key was retired, or is not that of the sender.
    NoKeyMatches,
    /// It was taken in without a signature, on an operator's word.
    Unsigned,
    /// The source is not configured any more.
    UnknownSource,
}

/// A webhook whose signature is right.
pub struct Authentic<'b> {
    /// The bytes that are signed: those that came, or those that they inflate to.
    body: Signed<'b>,
    sent_at: Option<Timestamp>,
}

enum Signed<'b> {
    AsItCame(&'b [u8]),
    Inflated(Wiped<Vec<u8>>),
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
    /// As [`Self::authenticate`], with the part that failed; [`IngestError::Record`] if it could not be recorded, and then
    /// sending it again is safe.
    pub async fn receive<'h>(
        &self,
        header: impl Fn(&str) -> Option<&'h str>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Receipt, IngestError> {
        let screened = signature::screen(header(SIGNATURE_HEADER), header(TIMESTAMP_HEADER), now)?;
        let authentic = self.authenticate(&screened, body)?;
        self.record_authentic(header, authentic).await
    }

    /// Checks the signature over the body as it came; if it is not right, over what the body inflates to: a proxy on the
    /// way may have compressed it, and so may the sender, before signing or after it.
    ///
    /// # Errors
    /// [`IngestError::Refused`] if it is not authentic, [`IngestError::TooLong`] if it inflates to more than is taken.
    pub fn authenticate<'b>(&self, screened: &Screened<'_>, body: &'b [u8]) -> Result<Authentic<'b>, IngestError> {
        let authentic = |body| Authentic {
            body,
            sent_at: screened.sent_at,
        };
        let Err(refusal) = self.verifier.check(screened, body) else {
            content::of(body)?;
            return Ok(authentic(Signed::AsItCame(body)));
        };
        let Some(inflated) = content::inflated(body)? else {
            return Err(refusal.into());
        };
        self.verifier.check(screened, &inflated)?;
        Ok(authentic(Signed::Inflated(inflated)))
    }

    /// Records an authentic webhook; returns once it is durable.
    ///
    /// # Errors
    /// [`IngestError::Record`] if it could not be recorded, and then sending it again is safe.
    pub async fn record_authentic<'h>(
        &self,
        header: impl Fn(&str) -> Option<&'h str>,
        authentic: Authentic<'_>,
    ) -> Result<Receipt, IngestError> {
        let (body, inflated) = match &authentic.body {
            Signed::AsItCame(body) => (*body, false),
            Signed::Inflated(body) => (body.as_slice(), true),
        };
        let delivery = Delivery {
            size: body.len(),
            sent_at: authentic.sent_at,
            unsigned: false,
        };
        // what is kept then is not compressed
        let header = |name: &str| header(name).filter(|_| !(inflated && name == CONTENT_ENCODING));
        self.record(header, body, delivery).await
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
        let content = match content::of(body) {
            Ok(content) => content,
            Err(error) => return Ok(ReadAgain::Unusable(error.to_string())),
        };
        if let OrderEvent::WebhookQuarantined(facts) = payload::parse(&content, delivery).claim {
            return Ok(ReadAgain::Unusable(facts.detail));
        }
        match self.prepare(original.headers.clone(), body, delivery) {
            Ok(incoming) => Ok(ReadAgain::Recorded(self.ledger.record(incoming).await?)),
            Err(IngestError::Record(error)) => Err(error),
            Err(error) => Ok(ReadAgain::Unusable(error.to_string())),
        }
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
    ) -> Result<Incoming, IngestError> {
        let content = content::of(body)?;
        let mut parsed = payload::parse(&content, delivery);
        if *content != *body {
            // it spells the content, and what is signed is the body
            parsed.spelling = None;
        }
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
        let incoming = Incoming::prepare(self.source.clone(), event_id, parsed.claim, plain);
        Ok(incoming.map_err(RecordError::from)?)
    }
}
