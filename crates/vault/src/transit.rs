//! HashiCorp Vault's transit engine (or OpenBao's), over its HTTP API: it seals master keys with a key that never
//! leaves it.
//!
//! Source: <https://developer.hashicorp.com/vault/api-docs/secret/transit> (encrypt, decrypt, rewrap). Called at the
//! start and for a rotation, never for an event.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderValue, Request, StatusCode, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::TokioExecutor;
use reqwest::Url;
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use sealing::KeyMaterial;
use secret::data_dir::{self, DataDirError};
use secret::{Secret, Wiped};
use tls::{Certificates, Names};

/// The time-out of one call.
const CALL: Duration = Duration::from_secs(5);
/// How many attempts a call gets after transient failures.
const ATTEMPTS: u32 = 3;
/// The settings to correct if TLS fails.
const NAMES: Names = Names {
    root: "transit_root_certificate",
    client: "transit_client_certificate and transit_client_key",
};
/// The pause before the second attempt; later pauses are longer.
const PAUSE: Duration = Duration::from_millis(200);
/// The largest answer read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;
/// The most characters of the engine's own message that are passed on.
const MAX_WORDS: usize = 200;

/// The source of the engine's token. Holds a secret: no `Debug`.
#[derive(Clone)]
pub enum TransitToken {
    /// The token itself.
    Given(Secret<String>),
    /// A file, which an agent may renew: read for each call.
    File(PathBuf),
}

/// How to reach a transit engine. Holds a secret: no `Debug`.
#[derive(Clone)]
pub struct TransitSettings {
    /// The server's address, e.g. `https://vault.example.com:8200`.
    pub url: Url,
    /// The mount path of the engine, `transit` by default.
    pub mount: String,
    /// The name of the key.
    pub key: String,
    /// The token.
    pub token: TransitToken,
    /// The trusted roots for `https`, and this client's certificate.
    pub certificates: Certificates,
}

/// Why the engine did not do the requested operation. Never holds a key or the token.
#[derive(Debug, thiserror::Error)]
pub enum TransitError {
    /// There was no answer.
    #[error("{engine} did not answer: {reason}")]
    Away {
        /// The engine.
        engine: String,
        /// The reason.
        reason: String,
    },
    /// The engine refused.
    #[error("{engine} refused to {action} ({status}): {words}")]
    Refused {
        /// The engine.
        engine: String,
        /// The requested operation.
        action: &'static str,
        /// The HTTP status.
        status: u16,
        /// The engine's own words.
        words: String,
    },
    /// The answer is not one that the engine documents.
    #[error("{0} answered something else than a transit engine does")]
    Unreadable(String),
    /// The token cannot be sent in a header.
    #[error("the token for the transit engine holds a character that no HTTP header can carry")]
    BadToken,
    /// The file of the token cannot be read.
    #[error(transparent)]
    Token(#[from] DataDirError),
}

/// A client of the engine. No `Debug`: it holds a token.
pub struct Transit {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    settings: TransitSettings,
}

#[derive(Serialize)]
struct Asked<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext: Option<&'a str>,
}

#[derive(Deserialize)]
struct Answer {
    data: Answered,
}

/// The fields of the answers to the three calls.
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
    /// The prefix of everything that the engine sealed.
    pub const PREFIX: &str = "vault:v";

    /// A client with these settings.
    ///
    /// # Errors
    /// [`TransitError::Away`] if no client can be made, for example without root certificates.
    pub fn new(settings: TransitSettings) -> Result<Self, TransitError> {
        let away = |reason: String| TransitError::Away {
            engine: describe(&settings),
            reason,
        };
        // without TLS no root is needed
        let tls = match settings.url.scheme() {
            "https" => settings
                .certificates
                .client_config()
                .map_err(|error| away(error.to_string()))?,
            _ => ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| away(error.to_string()))?
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth(),
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, settings })
    }

    /// The engine's name for messages.
    pub fn describe(&self) -> String {
        describe(&self.settings)
    }

    /// Seals a master key with the newest version of the engine's key.
    ///
    /// # Errors
    /// [`TransitError`].
    pub async fn encrypt(&self, material: &KeyMaterial) -> Result<String, TransitError> {
        let plaintext = Wiped::new(BASE64_STANDARD.encode(material.bytes()));
        let request = Asked {
            plaintext: Some(&plaintext),
            ciphertext: None,
        };
        let answered = self.call("encrypt", &request).await?;
        self.sealed(answered)
    }

    /// Opens a sealed master key.
    ///
    /// # Errors
    /// [`TransitError`].
    pub async fn decrypt(&self, sealed: &str) -> Result<KeyMaterial, TransitError> {
        let request = Asked {
            plaintext: None,
            ciphertext: Some(sealed),
        };
        let opened = self.call("decrypt", &request).await?.plaintext;
        opened
            .and_then(|text| BASE64_STANDARD.decode(text.expose()).ok().map(Wiped::new))
            .and_then(|bytes| KeyMaterial::from_slice(&bytes))
            .ok_or_else(|| TransitError::Unreadable(self.describe()))
    }

    /// Reseals a sealed master key with the newest version of the engine's key, without opening it here.
    ///
    /// # Errors
    /// [`TransitError`].
    pub async fn rewrap(&self, sealed: &str) -> Result<String, TransitError> {
        let request = Asked {
            plaintext: None,
            ciphertext: Some(sealed),
        };
        let answered = self.call("rewrap", &request).await?;
        self.sealed(answered)
    }

    /// The sealed text of an answer: one line, in the form for a file.
    fn sealed(&self, answered: Answered) -> Result<String, TransitError> {
        answered
            .ciphertext
            .filter(|text| text.starts_with(Self::PREFIX) && text.chars().all(|c| c.is_ascii_graphic()))
            .ok_or_else(|| TransitError::Unreadable(self.describe()))
    }

    async fn call(&self, action: &'static str, request: &Asked<'_>) -> Result<Answered, TransitError> {
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

    async fn attempt(&self, action: &'static str, request: &Asked<'_>) -> Result<Answered, TransitError> {
        let TransitSettings {
            url, mount, key, token, ..
        } = &self.settings;
        let away = |reason: String| TransitError::Away {
            engine: self.describe(),
            reason,
        };
        let without_certificate = url.scheme() == "https" && self.settings.certificates.client.is_none();
        let token = match token {
            TransitToken::Given(token) => token.clone(),
            TransitToken::File(path) => {
                let token = data_dir::read_secret_file(path)?;
                secret::long_enough(&token).map_err(|problem| DataDirError::Malformed {
                    path: path.clone(),
                    problem,
                })?;
                Secret::new(token.to_string())
            }
        };
        let mut token = HeaderValue::from_str(token.expose()).map_err(|_| TransitError::BadToken)?;
        token.set_sensitive(true);
        let base = url.as_str().trim_end_matches('/');
        let mut body = Wiped::new(Vec::with_capacity(MAX_ANSWER));
        serde_json::to_writer(&mut *body, request).map_err(|error| away(error.to_string()))?;
        let request = Request::post(format!("{base}/v1/{mount}/{action}/{key}"))
            .header("X-Vault-Token", token)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from_owner(body)))
            .map_err(|error| away(error.to_string()))?;
        let call = async {
            let response = self
                .client
                .request(request)
                .await
                .map_err(|error| away(cause(&error, without_certificate)))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
            let body = body.map_err(|error| away(error.to_string()))?;
            Ok::<_, TransitError>((status, Wiped::new(body.to_bytes().to_vec())))
        };
        let called = timeout(CALL, call).await;
        let (status, body) = called.map_err(|_| away(format!("no answer within {CALL:?}")))??;
        if status == StatusCode::OK {
            let answer = serde_json::from_slice::<Answer>(&body).map(|answer| answer.data);
            return answer.map_err(|_| TransitError::Unreadable(self.describe()));
        }
        Err(TransitError::Refused {
            engine: self.describe(),
            action,
            status: status.as_u16(),
            words: words(&body),
        })
    }
}

fn describe(settings: &TransitSettings) -> String {
    let TransitSettings { url, mount, key, .. } = settings;
    format!(
        "the transit engine {mount}, key {key}, at {}",
        url.as_str().trim_end_matches('/')
    )
}

/// Whether a retry of the same call may succeed: no answer, too many calls, sealed or standby (503), gateways.
fn passes(error: &TransitError) -> bool {
    match error {
        TransitError::Away { .. } => true,
        TransitError::Refused { status, .. } => matches!(status, 412 | 429 | 502 | 503 | 504),
        TransitError::Unreadable(_) | TransitError::BadToken | TransitError::Token(_) => false,
    }
}

/// The TLS remedy, or the innermost reason. `without_certificate`: whether a connection over TLS was made without a certificate
/// of ours. An engine that wants one closes it, and whether its alert is read before that is a matter of time.
fn cause(error: &ClientError, without_certificate: bool) -> String {
    if let Some(words) = tls::explain(error, NAMES) {
        return words;
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    match without_certificate && !error.is_connect() {
        true => format!("{cause}; if it asks for a certificate, name it with {}", NAMES.client),
        false => cause.to_string(),
    }
}

/// The engine's error message, in one line.
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
