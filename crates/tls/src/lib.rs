//! TLS as a client: certificates from files, the same for PostgreSQL, NATS and the transit engine, and advice when a
//! connection fails.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};

use secret::data_dir::{self, DataDirError};

/// The files with the trusted roots and this client's certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificates {
    /// PEM: the roots that must have signed a server's certificate; `None` means the system's roots.
    pub root: Option<PathBuf>,
    /// PEM: this client's certificate (with the chain to its root) and key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    /// The system refused to read a file.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The key cannot be read, or others can read it.
    #[error(transparent)]
    Key(#[from] DataDirError),
    /// The file is malformed.
    #[error("{} {problem}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The problem and its remedy.
        problem: String,
    },
    /// There is no trusted root.
    #[error("this system has no root certificates: install the package ca-certificates, or name a file of them")]
    NoRoots,
    /// Certificate and key are not a pair.
    #[error("the client's certificate {} does not fit its key: {source}", path.display())]
    Pair {
        /// The certificate.
        path: PathBuf,
        /// The reason.
        source: rustls::Error,
    },
}

impl Certificates {
    /// The rustls configuration that checks a server's certificate and name, and presents the client's own. Reads the
    /// files now.
    ///
    /// # Errors
    /// [`CertificatesError`], with the file and the remedy.
    pub fn client_config(&self) -> Result<ClientConfig, CertificatesError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            // cannot fail: ring knows both versions
            .expect("ring speaks TLS 1.2 and 1.3")
            .with_root_certificates(self.roots()?);
        match &self.client {
            None => Ok(builder.with_no_client_auth()),
            Some((certificate, key)) => builder
                .with_client_auth_cert(read_certificates(certificate)?, read_key(key)?)
                .map_err(|source| CertificatesError::Pair {
                    path: certificate.clone(),
                    source,
                }),
        }
    }

    fn roots(&self) -> Result<RootCertStore, CertificatesError> {
        let mut roots = RootCertStore::empty();
        let Some(path) = &self.root else {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            return if roots.is_empty() {
                Err(CertificatesError::NoRoots)
            } else {
                Ok(roots)
            };
        };
        for certificate in read_certificates(path)? {
            roots
                .add(certificate)
                .map_err(|error| unusable(path, &format!("holds a certificate that cannot be used: {error}")))?;
        }
        Ok(roots)
    }
}

fn unusable(path: &Path, problem: &str) -> CertificatesError {
    CertificatesError::Unusable {
        path: path.to_owned(),
        problem: problem.to_owned(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CertificatesError> {
    std::fs::read(path).map_err(|source| CertificatesError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificatesError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(unusable(
            path,
            "holds no certificate in PEM (-----BEGIN CERTIFICATE-----)",
        )),
    }
}

/// Reads the key, which has to be private like every secret file.
fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificatesError> {
    let text = data_dir::read_secret_file(path)?;
    if text.contains("ENCRYPTED") {
        return Err(unusable(
            path,
            "holds a key with a passphrase, which cannot be read: write it without one, with `openssl pkey -in KEY -out PLAIN`",
        ));
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|_| unusable(path, "holds no private key in PEM (-----BEGIN PRIVATE KEY-----)"))
}

/// The names of the settings that configure TLS, for advice.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// The setting of [`Certificates::root`].
    pub root: &'static str,
    /// The settings of [`Certificates::client`].
    pub client: &'static str,
}

/// The TLS problem and its remedy, if an error or one of its causes is about TLS.
pub fn explain(error: &(dyn Error + 'static), names: Names) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(words(tls, names));
        }
        // an I/O error's cause is not its source but the source of its inner error
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn words(error: &rustls::Error, names: Names) -> String {
    let Names { root, client } = names;
    match error {
        rustls::Error::InvalidCertificate(wrong) => match wrong {
            CertificateError::UnknownIssuer => format!(
                "the server's certificate is signed by an authority that is not trusted here: name the file of that \
                 authority's certificate with {root}"
            ),
            CertificateError::NotValidForName => {
                "the server's certificate is for another name: connect by a name that it has".to_owned()
            }
            CertificateError::NotValidForNameContext { expected, presented } => {
                let names: Vec<&str> = presented.iter().map(|name| plain(name)).collect();
                if names.is_empty() {
                    return format!(
                        "the server's certificate has no subjectAltName, and a name that stands in its CN alone counts for nothing: have one \
                         made with subjectAltName={}:{}",
                        if expected.to_str().parse::<std::net::IpAddr>().is_ok() {
                            "IP"
                        } else {
                            "DNS"
                        },
                        expected.to_str()
                    );
                }
                format!(
                    "the server's certificate is for {}, and not for {}: connect by a name that it has",
                    names.join(", "),
                    expected.to_str()
                )
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the server's certificate has expired: have it renewed there (or set the clock here)".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet: set the clock, here or where it was made".to_owned()
            }
            CertificateError::Revoked => "the server's certificate was revoked: have it renewed there".to_owned(),
            CertificateError::Other(cause) if format!("{cause:?}").contains("CaUsedAsEndEntity") => format!(
                "the server's certificate is that of an authority (CA:TRUE), which cannot stand for a server: have one made with \
                 basicConstraints=CA:FALSE, or signed by it, and name the authority with {root}"
            ),
            other => format!(
                "the server's certificate cannot be used ({other}); a server needs a certificate of its own, signed by an \
                 authority that {root} names"
            ),
        },
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            format!("the server demands a client's certificate: name it and its key with {client}")
        }
        rustls::Error::AlertReceived(
            alert @ (AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError),
        ) => format!("the server refused this client's certificate ({alert:?}), or misses one: see {client}"),
        other => format!("TLS failed: {other}"),
    }
}

/// A name in webpki's text, `DnsName("example.com")` or `IpAddress(127.0.0.1)`, without the surrounding text.
fn plain(name: &str) -> &str {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner);
    inner.trim_end_matches(')').trim_matches('"')
}
