//! The signature on a webhook: HMAC-SHA256 (RFC 2104, FIPS 180-4) over the exact received bytes, and the age of the
//! time of sending that comes with it.
//!
//! Pure: the caller brings the headers, the body and the time. The exact bytes that the provider signs are not
//! confirmed, so they are a setting ([`Scheme`]); the signature's encoding (hex or base64) and the time's unit (seconds
//! or milliseconds) are detected safely.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_PAD_INDIFFERENT, URL_SAFE_PAD_INDIFFERENT};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use secret::Secret;

/// The header that holds the signature.
pub const SIGNATURE_HEADER: &str = "cmr-x-signature";

/// The header that holds the time of sending.
pub const TIMESTAMP_HEADER: &str = "cmr-x-timestamp";

/// How far the time of sending may differ from ours, either way, unless a source says otherwise.
pub const FRESHNESS: Duration = Duration::from_secs(5 * 60);

/// The widest window that a source may have.
pub const MAX_FRESHNESS: Duration = Duration::from_secs(30 * 86_400);

/// The bytes of an HMAC-SHA256.
const TAG_BYTES: usize = 32;

/// An HMAC-SHA256.
type Tag = [u8; TAG_BYTES];

/// So many signatures of one webhook are tried: a sender may sign with an old key and a new one.
const MAX_TAGS: usize = 4;

/// Times from this on are milliseconds: as seconds it is the year 5138, as milliseconds 1973.
const FIRST_MILLISECONDS: i64 = 100_000_000_000;

/// The bytes that the sender signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scheme {
    /// The time of sending as the header gives it, a dot, the body: `timestamp.body`.
    #[default]
    #[serde(rename = "timestamp.body")]
    TimestampDotBody,
    /// The time of sending and the body with nothing between them: `timestampbody`.
    #[serde(rename = "timestampbody")]
    TimestampBody,
    /// The body alone: `body`. The time of sending is then not signed, so it does not stop a replay; recording each
    /// event once does.
    #[serde(rename = "body")]
    Body,
}

impl Scheme {
    /// All of them, in the order in which a mismatch tries them.
    pub const ALL: [Self; 3] = [Self::TimestampDotBody, Self::TimestampBody, Self::Body];

    /// The name used in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TimestampDotBody => "timestamp.body",
            Self::TimestampBody => "timestampbody",
            Self::Body => "body",
        }
    }

    /// Whether the scheme signs the time of sending.
    pub fn signs_timestamp(self) -> bool {
        self != Self::Body
    }

    fn feed(self, mac: &mut Hmac<Sha256>, timestamp: &str, body: &[u8]) {
        if self.signs_timestamp() {
            mac.update(timestamp.as_bytes());
        }
        if self == Self::TimestampDotBody {
            mac.update(b".");
        }
        mac.update(body);
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is not the name of a [`Scheme`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a signature scheme: use `timestamp.body`, `timestampbody` or `body`")]
pub struct UnknownScheme;

impl FromStr for Scheme {
    type Err = UnknownScheme;

    fn from_str(text: &str) -> Result<Self, UnknownScheme> {
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.as_str() == text)
            .ok_or(UnknownScheme)
    }
}

/// Which part of a webhook's authentication failed. Never holds the signature, a key or the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no signature.
    #[error("the header {SIGNATURE_HEADER} is missing")]
    MissingSignature,
    /// There is no time of sending, and the scheme needs one.
    #[error("the header {TIMESTAMP_HEADER} is missing")]
    MissingTimestamp,
    /// The signature is not 32 bytes in hex or base64.
    #[error("the header {SIGNATURE_HEADER} is not an HMAC-SHA256 in hex or base64")]
    MalformedSignature,
    /// The time of sending is not a whole number of Unix seconds or milliseconds.
    #[error("the header {TIMESTAMP_HEADER} is not a whole number of Unix seconds or milliseconds")]
    MalformedTimestamp,
    /// The time of sending is too far from ours.
    #[error("the webhook was sent {}; at most {allowed} s are accepted", Offset(*seconds))]
    StaleTimestamp {
        /// How long ago it was sent, in seconds, rounded away from zero; below zero: how far in the future.
        seconds: i64,
        /// How many seconds are accepted.
        allowed: u64,
    },
    /// No key gives this signature under the scheme in use.
    #[error("the signature matches no key{}", Hint(*would_match))]
    Mismatch {
        /// Another scheme under which the signature matches one of the keys.
        would_match: Option<Scheme>,
    },
}

impl Refusal {
    /// Whether it could ever be accepted: with another key or scheme, or with a wider window.
    pub fn may_pass_later(self) -> bool {
        match self {
            Self::StaleTimestamp { seconds, .. } => seconds.unsigned_abs() <= MAX_FRESHNESS.as_secs(),
            Self::Mismatch { .. } => true,
            _ => false,
        }
    }

    /// The kind of refusal, in one word.
    pub fn cause(self) -> &'static str {
        match self {
            Self::MissingSignature => "missingSignature",
            Self::MissingTimestamp => "missingTimestamp",
            Self::MalformedSignature => "malformedSignature",
            Self::MalformedTimestamp => "malformedTimestamp",
            Self::StaleTimestamp { .. } => "stale",
            Self::Mismatch { .. } => "wrongSignature",
        }
    }
}

struct Offset(i64);

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.unsigned_abs();
        if self.0 < 0 {
            write!(f, "{size} s in our future")
        } else {
            write!(f, "{size} s ago")
        }
    }
}

struct Hint(Option<Scheme>);

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(scheme) => write!(
                f,
                " under the scheme in use; it would match with WARMLEDGER_SIGNATURE={scheme}"
            ),
            None => Ok(()),
        }
    }
}

/// Checks webhooks against the keys of one source. Keys are prepared once and cloned for each request, which saves two
/// hash blocks each time. No `Debug`: it holds keys.
#[derive(Clone)]
pub struct Verifier {
    keys: Vec<Hmac<Sha256>>,
    scheme: Scheme,
    freshness: Duration,
}

impl Verifier {
    /// A verifier that accepts a signature by any of the keys. Empty keys are left out, since anybody could sign with
    /// one; without any key, every webhook is refused.
    pub fn new<'k>(keys: impl IntoIterator<Item = &'k Secret<String>>, scheme: Scheme) -> Self {
        let keys = keys
            .into_iter()
            .filter(|key| !key.expose().is_empty())
            .map(keyed)
            .collect();
        Self {
            keys,
            scheme,
            freshness: FRESHNESS,
        }
    }

    /// The bytes that a signature has to cover.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Accepts a time of sending that differs from ours by so much, instead of [`FRESHNESS`].
    pub fn fresh_for(self, freshness: Duration) -> Self {
        Self { freshness, ..self }
    }

    /// Checks how far the time of sending, if it is given, differs from `now`.
    ///
    /// # Errors
    /// [`Refusal::StaleTimestamp`]
    pub fn check_age(&self, screened: &Screened<'_>, now: Timestamp) -> Result<(), Refusal> {
        let Some(sent_at) = screened.sent_at else {
            return Ok(());
        };
        let milliseconds = i128::from(now.as_millisecond()) - i128::from(sent_at.as_millisecond());
        if milliseconds.unsigned_abs() <= self.freshness.as_millis() {
            return Ok(());
        }
        // rounded away from zero; some hundred thousand million seconds at most
        let seconds = (milliseconds.abs() + 999) / 1000 * milliseconds.signum();
        Err(Refusal::StaleTimestamp {
            seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
            allowed: self.freshness.as_secs(),
        })
    }

    /// Checks a webhook: its headers, then the signature over the time of sending and `body` exactly as received, in
    /// constant time. Returns the time of sending.
    ///
    /// # Errors
    /// As [`screen`], [`check_age`](Self::check_age) and [`check`](Self::check).
    pub fn verify(
        &self,
        signature: Option<&str>,
        timestamp: Option<&str>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Refusal> {
        let screened = screen(signature, timestamp)?;
        self.check_age(&screened, now)?;
        self.check(&screened, body)?;
        Ok(screened.sent_at)
    }

    /// Checks the signatures over a body, in constant time; one valid signature is enough.
    ///
    /// # Errors
    /// [`Refusal::Mismatch`], which names another scheme that matches, for the operator; or
    /// [`Refusal::MissingTimestamp`] if the scheme needs a timestamp, there is none, and no other scheme matches.
    pub fn check(&self, screened: &Screened<'_>, body: &[u8]) -> Result<(), Refusal> {
        let Screened { tags, timestamp, .. } = screened;
        if self.matches(self.scheme, *timestamp, body, tags) {
            return Ok(());
        }
        let mut others = Scheme::ALL.into_iter().filter(|other| *other != self.scheme);
        let would_match = others.find(|other| self.matches(*other, *timestamp, body, tags));
        Err(match (timestamp, would_match) {
            (None, None) if self.scheme.signs_timestamp() => Refusal::MissingTimestamp,
            _ => Refusal::Mismatch { would_match },
        })
    }

    /// The key (from 1, in the given order) and scheme under which a signature is valid; none if there is no such pair.
    /// For evidence, so its age does not matter.
    pub fn explain(&self, signature: &str, timestamp: Option<&str>, body: &[u8]) -> Option<(usize, Scheme)> {
        let tags = decode_all(signature)?;
        let schemes = [self.scheme].into_iter().chain(Scheme::ALL);
        let tried = schemes.flat_map(|scheme| (1..).zip(&self.keys).map(move |(number, key)| (number, key, scheme)));
        let mut right = tried.filter(|(_, key, scheme)| {
            let one = Self {
                keys: vec![(*key).clone()],
                scheme: *scheme,
                freshness: self.freshness,
            };
            one.matches(*scheme, timestamp, body, &tags)
        });
        right.next().map(|(number, _, scheme)| (number, scheme))
    }

    /// Whether any key gives one of the tags. Tries all keys, so that the time taken does not reveal which one matched.
    fn matches(&self, scheme: Scheme, timestamp: Option<&str>, body: &[u8], tags: &[Tag]) -> bool {
        let timestamp = match timestamp {
            Some(timestamp) => timestamp,
            None if scheme.signs_timestamp() => return false,
            None => "",
        };
        self.keys.iter().fold(false, |matched, key| {
            let mut mac = key.clone();
            scheme.feed(&mut mac, timestamp, body);
            let made = mac.finalize().into_bytes();
            let right = tags
                .iter()
                .fold(Choice::from(0), |right, tag| right | tag[..].ct_eq(&made[..]));
            matched | bool::from(right)
        })
    }
}

/// Signs a webhook as the provider does: the HMAC in lower-case hex. `timestamp` is the text that goes into the header;
/// [`Scheme::Body`] doesn't use it.
pub fn sign(key: &Secret<String>, scheme: Scheme, timestamp: &str, body: &[u8]) -> String {
    let mut mac = keyed(key);
    scheme.feed(&mut mac, timestamp, body);
    hex::encode(mac.finalize().into_bytes())
}

fn keyed(key: &Secret<String>) -> Hmac<Sha256> {
    // An HMAC takes a key of any length (RFC 2104 §2), so this can't fail.
    Hmac::new_from_slice(key.expose().as_bytes()).expect("an HMAC takes a key of any length")
}

/// The authentication headers, checked before the body is read.
pub struct Screened<'h> {
    tags: Vec<Tag>,
    timestamp: Option<&'h str>,
    /// When it was sent, if the header is there.
    pub sent_at: Option<Timestamp>,
}

/// Checks that the signature and the time of sending, if it is given, are well-formed.
///
/// A signature is hex (either case) or base64 (either alphabet, padded or not), with or without a `sha256=` prefix.
/// Several are separated by commas, as while a sender changes its key; malformed ones are skipped if another is
/// well-formed.
///
/// # Errors
/// [`Refusal`] names the header.
pub fn screen<'h>(signature: Option<&str>, timestamp: Option<&'h str>) -> Result<Screened<'h>, Refusal> {
    let tags = decode_all(signature.ok_or(Refusal::MissingSignature)?).ok_or(Refusal::MalformedSignature)?;
    let sent_at = timestamp.map(|text| parse_timestamp(text).ok_or(Refusal::MalformedTimestamp));
    let sent_at = sent_at.transpose()?;
    Ok(Screened {
        tags,
        timestamp,
        sent_at,
    })
}

/// The first few signatures in a header; none if there is none.
fn decode_all(text: &str) -> Option<Vec<Tag>> {
    let tags: Vec<Tag> = text.split(',').filter_map(decode).take(MAX_TAGS).collect();
    (!tags.is_empty()).then_some(tags)
}

fn decode(text: &str) -> Option<Tag> {
    const PREFIX: &str = "sha256=";
    let text = text.trim();
    let prefixed = text
        .get(..PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    let text = if prefixed {
        text[PREFIX.len()..].trim_start()
    } else {
        text
    };
    let mut tag = [0; TAG_BYTES];
    // 32 bytes are 64 characters in hex and 43 or 44 in base64, so the length decides.
    if text.len() == 2 * TAG_BYTES {
        return hex::decode_to_slice(text, &mut tag).ok().map(|()| tag);
    }
    let bytes = STANDARD_PAD_INDIFFERENT
        .decode(text)
        .or_else(|_| URL_SAFE_PAD_INDIFFERENT.decode(text))
        .ok()?;
    bytes.try_into().ok()
}

pub(super) fn parse_timestamp(text: &str) -> Option<Timestamp> {
    // `i64::from_str` also accepts a sign, which no sender writes.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i64 = text.parse().ok()?;
    if number < FIRST_MILLISECONDS {
        Timestamp::from_second(number)
    } else {
        Timestamp::from_millisecond(number)
    }
    .ok()
}

#[cfg(test)]
mod tests;
