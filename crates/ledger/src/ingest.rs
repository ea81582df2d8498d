//! Ingest: checks a webhook's signature over its exact bytes before it reads anything from it; then splits it into a
//! claim for the ledger and its sections, by sensitivity.
//!
//! Layout
//! - `signature`: HMAC-SHA256 in the provider's spellings, and freshness
//! - `payload`: the provider's payloads, read tolerantly

mod payload;
pub mod signature;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aggregates::{Domain, EventId, OrderEvent, OrderId, Position, Source, WebhookQuarantined, WebhookUnrecognised};
use jiff::Timestamp;
use serde::Serialize;

use crate::content::{self, TooLong};
use crate::{Incoming, Ledger, Original, Outcome, PlainSections, Receipt, RecordError};
use payload::Delivery;
use sealing::FingerprintKey;
use secret::{Secret, Wiped};
use signature::{Refusal, SIGNATURE_HEADER, Scheme, Screened, TIMESTAMP_HEADER, Verifier};

/// The header that names a body's compression.
pub const CONTENT_ENCODING: &str = "content-encoding";
/// Headers that are kept with the original, as evidence.
const KEPT_HEADERS: [&str; 5] = [
    CONTENT_ENCODING,
    "content-type",
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    "user-agent",
];
/// The longest header value kept: no signature or timestamp is longer, and a sealed original has a bound.
const MAX_HEADER_BYTES: usize = 8 * 1024;

/// Why a webhook was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// It is not authentic; nothing of it is kept.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The body inflates to more than 1 MiB; nothing of it is kept.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The ledger could not record it.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// The result of checking an original's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "camelCase")]
pub enum SignatureFinding {
    /// It matches one of the source's keys.
    Valid {
        /// Which: 1 is the first one in the settings.
        key: usize,
        /// The bytes that the scheme signs.
        scheme: Scheme,
        /// Whether the scheme signs the time of sending.
        #[serde(rename = "timestampIsSigned")]
        timestamp_is_signed: bool,
        /// The time of sending that the headers name.
        #[serde(rename = "sentAt", skip_serializing_if = "Option::is_none")]
        sent_at: Option<Timestamp>,
    },
    /// It matches none of today's keys: the key was retired, or is not the sender's.
    NoKeyMatches,
    /// It was recorded without a signature, on an operator's word.
    Unsigned,
    /// The source is not configured any more.
    UnknownSource,
}

/// A webhook with a valid signature.
pub struct Authentic<'b> {
    /// The signed bytes: the body as received, or inflated.
    body: Signed<'b>,
    sent_at: Option<Timestamp>,
}

enum Signed<'b> {
    AsItCame(&'b [u8]),
    Inflated(Wiped<Vec<u8>>),
}

/// The result of reading a quarantined webhook again.
pub enum ReadAgain {
    /// It still cannot be used, for this reason.
    Unusable(String),
    /// It is recorded, now or before.
    Recorded(Receipt),
}

/// The result of reading an unrecognised webhook again.
pub enum ReadToday {
    /// This version does not know its kind either.
    Unknown,
    /// It is of a known kind and cannot be used, for this reason.
    Unusable(String),
    /// It is an event of this type; and its receipt, if it was recorded.
    Known(&'static str, Option<Receipt>),
}

/// What a webhook claims to be about. Of one that is not authentic, anybody may have made it up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// Its event id.
    pub event_id: Option<EventId>,
    /// Its order.
    pub order_id: Option<OrderId>,
    /// Its domains.
    pub domains: BTreeSet<Domain>,
}

impl Claims {
    /// Reads them from a body; none of one that cannot be read.
    pub fn of(body: &[u8]) -> Self {
        let Ok(content) = content::of(body) else {
            return Self::default();
        };
        let delivery = Delivery {
            size: body.len(),
            sent_at: None,
            unsigned: false,
        };
        let parsed = payload::parse(&content, delivery);
        let claim = parsed.claim;
        Self {
            event_id: match &claim {
                OrderEvent::WebhookQuarantined(facts) => facts.event_id.clone(),
                _ => parsed.event_id,
            },
            order_id: claim.order_id().cloned(),
            domains: claim.domains().into_iter().cloned().collect(),
        }
    }
}

/// The headers that are kept with a webhook.
pub fn kept_headers<'h>(header: impl Fn(&str) -> Option<&'h str>) -> BTreeMap<String, String> {
    let kept = KEPT_HEADERS.into_iter().filter_map(|name| {
        let value = header(name).filter(|value| value.len() <= MAX_HEADER_BYTES)?;
        Some((name.to_owned(), value.to_owned()))
    });
    kept.collect()
}

/// Ingest for one source.
pub struct Ingest {
    source: Source,
    verifier: Verifier,
    fingerprints: Arc<FingerprintKey>,
    ledger: Ledger,
}

impl Ingest {
    /// Ingest for `source`, whose webhooks `verifier` checks.
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
    /// As [`Self::authenticate`], with the part that failed; [`IngestError::Record`] if it could not be recorded, and
    /// then a retry is safe.
    pub async fn receive<'h>(
        &self,
        header: impl Fn(&str) -> Option<&'h str>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Receipt, IngestError> {
        let screened = signature::screen(header(SIGNATURE_HEADER), header(TIMESTAMP_HEADER))?;
        self.verifier.check_age(&screened, now)?;
        let authentic = self.authenticate(&screened, body)?;
        self.record_authentic(header, authentic).await
    }

    /// The bytes that the source signs.
    pub fn scheme(&self) -> Scheme {
        self.verifier.scheme()
    }

    /// Checks the age of a webhook at `now`.
    ///
    /// # Errors
    /// [`Refusal::StaleTimestamp`]
    pub fn check_age(&self, screened: &Screened<'_>, now: Timestamp) -> Result<(), Refusal> {
        self.verifier.check_age(screened, now)
    }

    /// Checks the signature over the body as received; if that fails, over the inflated body: the sender or a proxy may
    /// have compressed it, before or after signing.
    ///
    /// # Errors
    /// [`IngestError::Refused`] if it is not authentic, [`IngestError::TooLong`] if it inflates to more than 1 MiB.
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
    /// [`IngestError::Record`] if it could not be recorded, and then a retry is safe.
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
        // the inflated body is kept, so the header is dropped
        let header = |name: &str| header(name).filter(|_| !(inflated && name == CONTENT_ENCODING));
        self.record(header, body, delivery).await
    }

    /// Checks and records a captured delivery: as [`Self::receive`], but its age is judged by the time in its own
    /// header, since it was captured long ago.
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

    /// Records a captured body without a signature, on an operator's word; the event is marked as unsigned.
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

    /// Checks an original's signature against today's keys of the source.
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

    /// Reads the original of a quarantined webhook again; [`ReadAgain::Unusable`] with today's reason if it still
    /// cannot be used.
    ///
    /// # Errors
    /// [`RecordError`] if the event cannot be recorded.
    pub async fn read_again(
        &self,
        original: &Original,
        quarantined: &WebhookQuarantined,
        recorded_at: Timestamp,
    ) -> Result<ReadAgain, RecordError> {
        let body = original.body.expose();
        let delivery = Delivery {
            size: body.len(),
            // it happened then, not now
            sent_at: quarantined.sent_at.or(Some(recorded_at)),
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

    /// Reads the original of an unrecognised webhook as today's kind of event. If it is one, it is recorded under the id
    /// of [`EventId::reprocessed`], so only once; with `dry_run` nothing is recorded.
    ///
    /// # Errors
    /// [`RecordError`] if the event cannot be recorded.
    pub async fn read_as_today(
        &self,
        original: &Original,
        unrecognised: &WebhookUnrecognised,
        (position, recorded_at): (Position, Timestamp),
        dry_run: bool,
    ) -> Result<ReadToday, RecordError> {
        let body = original.body.expose();
        let delivery = Delivery {
            size: body.len(),
            // it happened then, not now
            sent_at: unrecognised.sent_at.or(Some(recorded_at)),
            unsigned: unrecognised.unsigned,
        };
        let content = match content::of(body) {
            Ok(content) => content,
            Err(error) => return Ok(ReadToday::Unusable(error.to_string())),
        };
        let type_name = match payload::parse(&content, delivery).claim {
            OrderEvent::WebhookUnrecognised(_) => return Ok(ReadToday::Unknown),
            OrderEvent::WebhookQuarantined(facts) => return Ok(ReadToday::Unusable(facts.detail)),
            known => known.type_name(),
        };
        if dry_run {
            return Ok(ReadToday::Known(type_name, None));
        }
        let mut incoming = match self.prepare(original.headers.clone(), body, delivery) {
            Ok(incoming) => incoming,
            Err(IngestError::Record(error)) => return Err(error),
            Err(error) => return Ok(ReadToday::Unusable(error.to_string())),
        };
        incoming
            .rename(EventId::reprocessed(position))
            .map_err(RecordError::from)?;
        let receipt = self.ledger.record(incoming).await?;
        Ok(ReadToday::Known(type_name, Some(receipt)))
    }

    async fn record<'h>(
        &self,
        header: impl Fn(&str) -> Option<&'h str>,
        body: &[u8],
        delivery: Delivery,
    ) -> Result<Receipt, IngestError> {
        let incoming = self.prepare(kept_headers(header), body, delivery)?;
        let unreadable = incoming.claim.unreadable().len() as u64;
        let parts = incoming.claim.quarantined_parts().len() as u64;
        let receipt = self.ledger.record(incoming).await?;
        if receipt.outcome == Outcome::Recorded {
            metrics::counter!("warmledger_unreadable_fields_total").increment(unreadable);
            metrics::counter!("warmledger_quarantined_parts_total").increment(parts);
        }
        Ok(receipt)
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
            // the spelling is of the content, but the signed bytes are the body
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
        let incoming = Incoming::prepare(self.source.clone(), event_id, parsed.claim, plain, &self.fingerprints);
        Ok(incoming.map_err(RecordError::from)?)
    }
}
