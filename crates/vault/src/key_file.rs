//! The file of master keys: one key a line, the newest first, readable by its owner only. A line is the key itself in
//! hexadecimal digits (or base64) or, with a transit engine, the engine's ciphertext of it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::{MasterKeySource, Transit, VaultError};
use sealing::{KeyMaterial, MasterKey, MasterKeyId};
use secret::Wiped;
use secret::data_dir::{self, DataDirError};

/// The file, and the engine that seals its lines.
pub struct KeyFile {
    path: PathBuf,
    transit: Option<Transit>,
}

/// One line, and the key in it.
struct Line {
    text: Wiped<String>,
    key: MasterKey,
}

impl KeyFile {
    /// The file at this path, with keys in plaintext.
    pub fn plain(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            transit: None,
        }
    }

    /// The file at this path, with keys that only the transit engine can open.
    pub fn sealed(path: &Path, transit: Transit) -> Self {
        Self {
            path: path.to_owned(),
            transit: Some(transit),
        }
    }

    /// The text of the file; none if there is no file.
    fn text(&self) -> Result<Option<Wiped<String>>, VaultError> {
        match data_dir::read_secret_file(&self.path) {
            Err(DataDirError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
            read => Ok(Some(read?)),
        }
    }

    async fn lines(&self) -> Result<Vec<Line>, VaultError> {
        let Some(text) = self.text()? else {
            return Ok(Vec::new());
        };
        let mut lines = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let material = self.open(line).await?;
            // an older one may stay until it is rotated out
            if lines.is_empty() && material.is_zero() {
                return Err(VaultError::KeyFileForm {
                    path: self.path.clone(),
                    problem: "begins with a key of nothing but zeros, which anybody can guess: put a new one on a \
                              line above it (openssl rand -hex 32), then run `warmledger keys rotate`",
                });
            }
            let key = MasterKey::new(&material);
            lines.push(Line {
                text: Wiped::new(line.to_owned()),
                key,
            });
        }
        Ok(lines)
    }

    async fn open(&self, line: &str) -> Result<KeyMaterial, VaultError> {
        let sealed = line.starts_with(Transit::PREFIX);
        match &self.transit {
            Some(transit) if sealed => Ok(transit.decrypt(line).await?),
            Some(_) => Err(VaultError::KeyFileForm {
                path: self.path.clone(),
                problem: "holds a key in the clear, though transit_url is set",
            }),
            None if sealed => Err(VaultError::KeyFileForm {
                path: self.path.clone(),
                problem: "holds a key that a transit engine has sealed: set transit_url and transit_key",
            }),
            None => KeyMaterial::parse(line).ok_or_else(|| VaultError::NotAKey(self.path.clone())),
        }
    }

    async fn new_line(&self) -> Result<Wiped<String>, VaultError> {
        let material = KeyMaterial::generate();
        match &self.transit {
            Some(transit) => Ok(Wiped::new(transit.encrypt(&material).await?)),
            None => Ok(material.to_hex()),
        }
    }

    fn replace(&self, lines: &[Wiped<String>]) -> Result<(), VaultError> {
        let lines: Vec<&str> = lines.iter().map(|line| line.as_str()).collect();
        Ok(data_dir::replace_secret_file(
            &self.path,
            &Wiped::new(lines.join("\n")),
        )?)
    }
}

#[async_trait]
impl MasterKeySource for KeyFile {
    fn describe(&self) -> String {
        match &self.transit {
            Some(transit) => format!("the file {} with {}", self.path.display(), transit.describe()),
            None => format!("the file {}", self.path.display()),
        }
    }

    fn file(&self) -> Option<&Path> {
        Some(&self.path)
    }

    async fn load(&self) -> Result<Vec<MasterKey>, VaultError> {
        Ok(self.lines().await?.into_iter().map(|line| line.key).collect())
    }

    async fn stamp(&self) -> Result<Option<[u8; 32]>, VaultError> {
        let text = self.text()?;
        Ok(text.map(|text| Sha256::digest(text.as_bytes()).into()))
    }

    async fn create(&self) -> Result<bool, VaultError> {
        if self.path.exists() {
            return Ok(false);
        }
        Ok(data_dir::create_secret_file(&self.path, &self.new_line().await?)?)
    }

    /// Also reseals the older lines, so that old versions of the transit key can be retired.
    async fn add(&self) -> Result<(), VaultError> {
        let mut lines = vec![self.new_line().await?];
        for line in self.lines().await? {
            lines.push(match &self.transit {
                Some(transit) => Wiped::new(transit.rewrap(&line.text).await?),
                None => line.text,
            });
        }
        self.replace(&lines)
    }

    async fn remove(&self, id: MasterKeyId) -> Result<bool, VaultError> {
        let lines = self.lines().await?;
        let before = lines.len();
        let kept = lines.into_iter().filter(|line| line.key.id() != id);
        let kept: Vec<_> = kept.map(|line| line.text).collect();
        if kept.len() == before {
            return Ok(false);
        }
        self.replace(&kept)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
