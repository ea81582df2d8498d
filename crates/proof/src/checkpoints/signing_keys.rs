//! The sources of signing keys.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use secret::Secret;
use secret::data_dir::{self, DataDirError, SecretFile};
use tlog::{NoteSigner, NoteVerifier};

/// The source of the signing keys.
#[derive(Clone)]
pub struct SigningKeys {
    data_dir: PathBuf,
    /// The keys in the settings, newest first; then no file is read or written.
    given: Option<Arc<[Secret<[u8; 32]>]>>,
}

/// The key file in this data directory.
impl From<PathBuf> for SigningKeys {
    fn from(data_dir: PathBuf) -> Self {
        Self { data_dir, given: None }
    }
}

impl From<&Path> for SigningKeys {
    fn from(data_dir: &Path) -> Self {
        data_dir.to_owned().into()
    }
}

impl SigningKeys {
    /// The key file in this data directory, or in its place the seeds of keys, newest first.
    pub fn new(data_dir: &Path, given: Option<&[Secret<[u8; 32]>]>) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            given: given.map(Into::into),
        }
    }

    /// The data directory, which also holds the newest checkpoint.
    pub(super) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The file of the next key, until it signs: every process that is to sign with it needs a copy there. None if keys
    /// are given.
    pub fn waiting_at(&self) -> Option<PathBuf> {
        self.given.is_none().then(|| self.next_path())
    }

    /// The public halves of the keys that this process can sign with, in hex: its own, and the next one. An unreadable
    /// file counts as none.
    pub fn held(&self) -> Vec<String> {
        // a key's public half does not depend on the name
        let name = "held";
        let signers: Vec<NoteSigner> = match &self.given {
            Some(seeds) => seeds.iter().map(|seed| NoteSigner::new(name, seed)).collect(),
            None => {
                let paths = [self.path(), self.next_path()];
                paths.iter().filter_map(|path| load(path, name).ok()).collect()
            }
        };
        signers.iter().map(|signer| half(signer.verifier())).collect()
    }

    /// The first key, which need not be the signing one.
    pub(super) fn own(&self, origin: &str) -> Result<NoteSigner, DataDirError> {
        match self.given.as_deref().and_then(<[_]>::first) {
            Some(seed) => Ok(NoteSigner::new(origin, seed)),
            None => load(&self.path(), origin),
        }
    }

    /// The key with this public text, if it is here and not the next one in its file.
    pub(super) fn find(&self, verifier: &str, origin: &str) -> Result<Option<NoteSigner>, DataDirError> {
        let fits = |signer: &NoteSigner| signer.verifier().to_string() == verifier;
        match &self.given {
            Some(seeds) => Ok(seeds.iter().map(|seed| NoteSigner::new(origin, seed)).find(fits)),
            None => Ok(Some(self.own(origin)?).filter(fits)),
        }
    }

    /// The source in readable form.
    pub(super) fn place(&self) -> String {
        match self.given {
            Some(_) => "the setting ledger_signing_key".to_owned(),
            None => self.path().display().to_string(),
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        SecretFile::LedgerSigningKey.path(&self.data_dir)
    }

    pub(super) fn next_path(&self) -> PathBuf {
        let mut path = self.path().into_os_string();
        path.push(".next");
        path.into()
    }
}

/// The key in a file.
pub(super) fn load(path: &Path, origin: &str) -> Result<NoteSigner, DataDirError> {
    Ok(NoteSigner::new(origin, &data_dir::read_seed(path)?))
}

/// A key's public half, in hex.
pub fn half(verifier: &NoteVerifier) -> String {
    hex::encode(verifier.public_key())
}
