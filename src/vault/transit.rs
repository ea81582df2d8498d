//! HashiCorp Vault's transit engine (or OpenBao's), by its HTTP API: it seals master keys with a key that never leaves it.
//!
//! Source: <https://developer.hashicorp.com/vault/api-docs/secret/transit> (encrypt, decrypt, rewrap). The service asks at
//! its start and for a rotation, never for an event.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::{Client, StatusCode, Url};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::KeyMaterial;
use crate::data_dir::{self, DataDirError};
use crate::secret::Secret;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(2);
/// How long one call may take, all in all.
const CALL: Duration = Duration::from_secs(5);
/// A call that failed for a reason that passes is tried so often.
const ATTEMPTS: u32 = 3;
/// Pause before the second attempt; the next ones wait longer.
const PAUSE: Duration = Duration::from_millis(200);
/// The most characters of the engine's own words that are passed on.
const MAX_WORDS: usize = 200;

/// Where the token for the engine comes from. Holds a secret: no `Debug`.
#[derive(Clone)]
pub enum TransitToken {
    /// It is given.
    Given(Secret<String>),
    /// It stands in a file, which an agent may renew: read for each call.
    File(PathBuf),
}

/// How a transit engine is reached. Holds a secret: no `Debug`.
#[derive(Clone)]
pub struct TransitSettings {
    /// The server's address, e.g. `https://vault.example.com:8200`.
    pub url: Url,
    /// Where the engine is mounted, `transit` unless said otherwise.
    pub mount: String,
    /// The name of the key.
    pub key: String,
    /// The token.
    pub token: TransitToken,
}

/// Why the engine did not do what it was asked. Never holds a key or the token.
#[derive(Debug, thiserror::Error)]
pub enum TransitError {
    /// There was no answer.
    #[error("{engine} did not answer: {reason}")]
    Away {
        /// Which engine.
        engine: String,
        /// Why.
        reason: String,
    },
    /// It refused.
    #[error("{engine} refused to {action} ({status}): {words}")]
    Refused {
        /// Which engine.
        engine: String,
        /// What it was asked.
        action: &'static str,
        /// The HTTP status.
        status: u16,
        /// The engine's own words.
        words: String,
    },
    /// It answered something else than it documents.
    #[error("{0} answered something else than a transit engine does")]
    Unreadable(String),
    /// The file of the token cannot be read.
    #[error(transparent)]
    Token(#[from] DataDirError),
}

/// A client of the engine. No `Debug`: it holds a token.
pub struct Transit {
    client: Client,
    settings: TransitSettings,
}

#[derive(Serialize)]
struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext: Option<&'a str>,
}

#[derive(Deserialize)]
struct Answer {
    data: Answered,
}

/// The fields of the three calls' answers.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Answered {
    ciphertext: Option<String>,
    plaintext: Option<Secret<String>>,
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<String>,
}

impl Transit {
    /// What everything that the engine sealed begins with.
    pub const PREFIX: &str = "vault:v";

    /// A client with these settings.
    ///
    /// # Errors
    /// [`TransitError::Away`] if no client can be made, for want of root certificates for instance.
    pub fn new(settings: TransitSettings) -> Result<Self, TransitError> {
        // one may be there already: then it is used
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(CALL)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| TransitError::Away {
                engine: describe(&settings),
                reason: error.to_string(),
            })?;
        Ok(Self { client, settings })
    }

    /// Which engine, for messages.
    pub fn describe(&self) -> String {
        describe(&self.settings)
    }

    /// Has a master key sealed, by the newest version of the engine's key.
    ///
    /// # Errors
    /// [`TransitError`].
    pub async fn encrypt(&self, material: &KeyMaterial) -> Result<String, TransitError> {
        let plaintext = Zeroizing::new(BASE64_STANDARD.encode(material.bytes()));
        let request = Request {
            plaintext: Some(&plaintext),
            ciphertext: None,
        };
        let answered = self.call("encrypt", &request).await?;
        self.sealed(answered)
    }

    /// Has a master key opened.
    ///
    /// # Errors
    /// [`TransitError`].
    pub async fn decrypt(&self, sealed: &str) -> Result<KeyMaterial, TransitError> {
        let request = Request {
            plaintext: None,
            ciphertext: Some(sealed),
        };
        let opened = self.call("decrypt", &request).await?.plaintext;
        opened
            .and_then(|text| BASE64_STANDARD.decode(text.expose()).ok().map(Zeroizing::new))
            .and_then(|bytes| KeyMaterial::from_slice(&bytes))
            .ok_or_else(|| TransitError::Unreadable(self.describe()))
    }

    /// Has a sealed master key sealed anew by the newest version of the engine's key, without opening it here.
    ///
    /// # Errors
    /// [`TransitError`].
    pub async fn rewrap(&self, sealed: &str) -> Result<String, TransitError> {
        let request = Request {
            plaintext: None,
            ciphertext: Some(sealed),
        };
        let answered = self.call("rewrap", &request).await?;
        self.sealed(answered)
    }

    /// The sealed text of an answer: one line, as it is to stand in a file.
    fn sealed(&self, answered: Answered) -> Result<String, TransitError> {
        answered
            .ciphertext
            .filter(|text| text.starts_with(Self::PREFIX) && text.chars().all(|c| c.is_ascii_graphic()))
            .ok_or_else(|| TransitError::Unreadable(self.describe()))
    }

    async fn call(&self, action: &'static str, request: &Request<'_>) -> Result<Answered, TransitError> {
        let mut attempt = 1;
        loop {
            match self.attempt(action, request).await {
                Err(error) if passes(&error) && attempt < ATTEMPTS => {
                    tracing::warn!(%error, "the transit engine is asked again");
                    tokio::time::sleep(PAUSE * attempt).await;
                    attempt += 1;
                }
                answered => return answered,
            }
        }
    }

    async fn attempt(&self, action: &'static str, request: &Request<'_>) -> Result<Answered, TransitError> {
        let TransitSettings { url, mount, key, token } = &self.settings;
        let away = |error: reqwest::Error| TransitError::Away {
            engine: self.describe(),
            // the address is named already; the source says what happened
            reason: cause(&error.without_url()),
        };
        let token = match token {
            TransitToken::Given(token) => token.clone(),
            TransitToken::File(path) => Secret::new(data_dir::read_secret_file(path)?.to_string()),
        };
        let base = url.as_str().trim_end_matches('/');
        let response = self
            .client
            .post(format!("{base}/v1/{mount}/{action}/{key}"))
            .header("X-Vault-Token", token.expose())
            .json(request)
            .send()
            .await
            .map_err(away)?;
        let status = response.status();
        let mut body = response.bytes().await.map_err(away)?.to_vec();
        let answered = if status == StatusCode::OK {
            let answer = serde_json::from_slice::<Answer>(&body).map(|answer| answer.data);
            answer.map_err(|_| TransitError::Unreadable(self.describe()))
        } else {
            Err(TransitError::Refused {
                engine: self.describe(),
                action,
                status: status.as_u16(),
                words: words(&body),
            })
        };
        body.zeroize();
        answered
    }
}

fn describe(settings: &TransitSettings) -> String {
    let TransitSettings { url, mount, key, .. } = settings;
    format!(
        "the transit engine {mount}, key {key}, at {}",
        url.as_str().trim_end_matches('/')
    )
}

/// Whether the same call may succeed later: no answer, too many calls, sealed or standby (503), gateways.
fn passes(error: &TransitError) -> bool {
    match error {
        TransitError::Away { .. } => true,
        TransitError::Refused { status, .. } => matches!(status, 412 | 429 | 502 | 503 | 504),
        TransitError::Unreadable(_) | TransitError::Token(_) => false,
    }
}

/// The innermost reason.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// What the engine says of an error, in one line.
fn words(body: &[u8]) -> String {
    let said = serde_json::from_slice::<Errors>(body).map(|errors| errors.errors.join("; "));
    let said = said.unwrap_or_default();
    let line: String = said.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect();
    if line.is_empty() {
        "no reason is given".to_owned()
    } else {
        line
    }
}
