//! A stand-in for a transit engine: its three calls that are used, with real encryption, key versions, and failures on
//! purpose.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::serve::Listener;
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chacha20poly1305::aead::Aead;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certificates::{Authority, Pair};

pub const TOKEN: &str = "hvs.planted-token";

#[derive(Default)]
struct Keys {
    versions: Vec<[u8; 32]>,
    oldest: usize,
    calls: Vec<String>,
    failures: Vec<StatusCode>,
}

/// The engine, on an address of its own. Stops with the test.
#[derive(Clone)]
pub struct TransitEngine {
    pub address: String,
    engine: Arc<Mutex<Keys>>,
}

type Answer = (StatusCode, Json<Value>);

fn errors(status: StatusCode, words: &str) -> Answer {
    (status, Json(json!({"errors": [words]})))
}

impl TransitEngine {
    pub async fn start() -> Self {
        Self::at("127.0.0.1:0").await
    }

    /// An engine at this address.
    pub async fn at(address: &str) -> Self {
        let engine = Arc::new(Mutex::new(Keys {
            versions: vec![rand::random()],
            ..Keys::default()
        }));
        let router = router(&engine);
        let listener = TcpListener::bind(address).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, engine }
    }

    /// The same over TLS, for clients with a certificate of the authority.
    pub async fn encrypted(authority: &Authority, pair: &Pair) -> Self {
        let engine = Self::start().await;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap())
            .unwrap();
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients.build().unwrap())
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap(),
            )
            .unwrap();
        let listener = Encrypted {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
        };
        let address = format!("https://localhost:{}", listener.listener.local_addr().unwrap().port());
        let router = router(&engine.engine);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, ..engine }
    }

    /// All calls so far.
    pub fn calls(&self) -> Vec<String> {
        self.engine.lock().unwrap().calls.clone()
    }

    /// Answers the next calls with these errors, the last one first.
    pub fn fail(&self, failures: impl IntoIterator<Item = StatusCode>) {
        self.engine.lock().unwrap().failures.extend(failures);
    }

    /// Makes a new version of the key; with `retire`, retires all earlier ones.
    pub fn rotate(&self, retire: bool) {
        let mut engine = self.engine.lock().unwrap();
        engine.versions.push(rand::random());
        if retire {
            engine.oldest = engine.versions.len() - 1;
        }
    }

    /// Retires all versions but the newest.
    pub fn retire_old(&self) {
        let mut engine = self.engine.lock().unwrap();
        engine.oldest = engine.versions.len() - 1;
    }
}

fn router(engine: &Arc<Mutex<Keys>>) -> Router {
    Router::new()
        .route("/v1/transit/{action}/{key}", post(call))
        .with_state(Arc::clone(engine))
}

/// Accepts connections over TLS; failed handshakes are skipped.
struct Encrypted {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Encrypted {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

async fn call(
    State(engine): State<Arc<Mutex<Keys>>>,
    Path((action, key)): Path<(String, String)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Answer {
    let mut engine = engine.lock().unwrap();
    engine.calls.push(action.clone());
    if let Some(status) = engine.failures.pop() {
        return errors(status, "on purpose");
    }
    if headers.get("x-vault-token").is_none_or(|token| token != TOKEN) {
        return errors(StatusCode::FORBIDDEN, "permission denied");
    }
    if key != "warmledger" {
        return errors(StatusCode::BAD_REQUEST, "encryption key not found");
    }
    let plain = match action.as_str() {
        "encrypt" => BASE64_STANDARD.decode(body["plaintext"].as_str().unwrap()).unwrap(),
        "decrypt" | "rewrap" => match engine.open(body["ciphertext"].as_str().unwrap()) {
            Some(plain) => plain,
            None => {
                return errors(
                    StatusCode::BAD_REQUEST,
                    "ciphertext or signature version is disallowed by policy",
                );
            }
        },
        _ => return errors(StatusCode::NOT_FOUND, "unsupported path"),
    };
    let data = if action == "decrypt" {
        json!({"plaintext": BASE64_STANDARD.encode(plain)})
    } else {
        json!({"ciphertext": engine.seal(&plain), "key_version": engine.versions.len()})
    };
    (StatusCode::OK, Json(json!({"request_id": "1", "data": data})))
}

impl Keys {
    fn seal(&self, plain: &[u8]) -> String {
        let nonce: [u8; 24] = rand::random();
        let cipher = XChaCha20Poly1305::new(self.versions.last().unwrap().into());
        let sealed = cipher.encrypt(&XNonce::from(nonce), plain).unwrap();
        let bytes = [&nonce[..], &sealed].concat();
        format!("vault:v{}:{}", self.versions.len(), BASE64_STANDARD.encode(bytes))
    }

    fn open(&self, sealed: &str) -> Option<Vec<u8>> {
        let (version, text) = sealed.strip_prefix("vault:v")?.split_once(':')?;
        let index = version.parse::<usize>().ok()?.checked_sub(1)?;
        let key = self.versions.get(index).filter(|_| index >= self.oldest)?;
        let bytes = BASE64_STANDARD.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<24>()?;
        XChaCha20Poly1305::new(key.into())
            .decrypt(&XNonce::from(*nonce), sealed)
            .ok()
    }
}
