//! The log's signing key: `ledger-signing.key` in the data directory, 64 hexadecimal digits, mode 0600. The store keeps the
//! public keys, and the newest of them is the one that signs.

use std::path::{Path, PathBuf};

use aggregates::{EventId, IdError};

use crate::clock;
use crate::data_dir::{self, DataDirError, SecretFile};
use crate::proofs;
use crate::store::{NewCheckpoint, StoreError, TreeStore};
use crate::tlog::{NoteSigner, NoteVerifier};

use super::{CheckpointError, sign};

/// Where a new key waits until the store knows it.
fn next_path(data_dir: &Path) -> PathBuf {
    let mut path = SecretFile::LedgerSigningKey.path(data_dir).into_os_string();
    path.push(".next");
    path.into()
}

fn load(path: &Path, origin: &str) -> Result<NoteSigner, DataDirError> {
    Ok(NoteSigner::new(origin, &data_dir::read_seed(path)?))
}

/// The key in the data directory, whether it is the one that signs or not.
pub(super) fn own(data_dir: &Path, origin: &str) -> Result<NoteSigner, DataDirError> {
    load(&SecretFile::LedgerSigningKey.path(data_dir), origin)
}

/// The public halves of the keys that a process with this data directory can sign with, in hex: its own, and the one that waits
/// to take its place. A file that cannot be read holds none.
pub fn held(data_dir: &Path) -> Vec<String> {
    // the name does not matter here
    let paths = [SecretFile::LedgerSigningKey.path(data_dir), next_path(data_dir)];
    let signers = paths.iter().filter_map(|path| load(path, "held").ok());
    signers
        .map(|signer| hex::encode(signer.verifier().public_key()))
        .collect()
}

/// The public half of the key that signs, in hex; none while the log has no key.
///
/// # Errors
/// If the store fails.
pub async fn signs(store: &(impl TreeStore + ?Sized)) -> Result<Option<String>, StoreError> {
    let newest = store.signing_keys().await?.pop();
    let newest = newest.and_then(|key| NoteVerifier::parse(&key.verifier).ok());
    Ok(newest.map(|verifier| hex::encode(verifier.public_key())))
}

/// The key that signs, which this process holds. A log without a key gets the one in the data directory. A rotation that
/// was interrupted after the store had learnt of the new key is finished.
pub(super) async fn current(
    store: &(impl TreeStore + ?Sized),
    data_dir: &Path,
    origin: &str,
) -> Result<NoteSigner, CheckpointError> {
    let path = SecretFile::LedgerSigningKey.path(data_dir);
    let own = own(data_dir, origin)?;
    let mut keys = store.signing_keys().await?;
    if keys.is_empty() {
        store.add_signing_key(&own.verifier().to_string(), None).await?;
        keys = store.signing_keys().await?;
    }
    let newest = keys.pop().map(|key| key.verifier).unwrap_or_default();
    if newest == own.verifier().to_string() {
        return Ok(own);
    }
    let next = next_path(data_dir);
    if next.exists() {
        let waiting = load(&next, origin)?;
        if newest == waiting.verifier().to_string() {
            data_dir::move_secret_file(&next, &path)?;
            return Ok(waiting);
        }
    }
    Err(CheckpointError::OtherKey { path, verifier: newest })
}

/// The key that [`rotate`] would put to use: a new one, which waits in the data directory until then.
///
/// # Errors
/// As [`rotate`].
pub async fn next_key(store: &(impl TreeStore + ?Sized), data_dir: &Path) -> Result<NoteVerifier, CheckpointError> {
    let origin = super::origin(store, &super::new_origin()).await?;
    current(store, data_dir, &origin).await?;
    let next = next_path(data_dir);
    // one that is there waits from an attempt that has not come to its end
    data_dir::create_seed(&next)?;
    Ok(load(&next, &origin)?.verifier().clone())
}

/// The id of the event that tells that a key signs from now on: one for each key, however often its rotation is interrupted
/// and taken up again.
///
/// # Errors
/// None, for any key: the id has the characters and the length of one.
pub fn rotation_id(key: &NoteVerifier) -> Result<EventId, IdError> {
    EventId::parse(&format!("signing-key-{}", hex::encode(key.public_key())))
}

/// Makes a new key, and has it sign from now on: a checkpoint that both keys sign hands over. A service that runs on the same
/// data directory takes it up by itself; others need a copy of the new file.
///
/// # Errors
/// [`CheckpointError`], [`CheckpointError::OtherKey`] in particular where the data directory does not hold the key that
/// signs. It can be called again after any of them.
pub async fn rotate(store: &(impl TreeStore + ?Sized), data_dir: &Path) -> Result<NoteVerifier, CheckpointError> {
    let origin = super::origin(store, &super::new_origin()).await?;
    let old = current(store, data_dir, &origin).await?;
    let (path, next) = (SecretFile::LedgerSigningKey.path(data_dir), next_path(data_dir));
    next_key(store, data_dir).await?;
    let new = load(&next, &origin)?;
    let size = store.tree().await?.frontier.size();
    let root = proofs::root(store, size).await?;
    let checkpoint = NewCheckpoint {
        size,
        root,
        note: sign(&origin, size, root, &[&old, &new]),
        created_at: clock::now(),
    };
    store
        .add_signing_key(&new.verifier().to_string(), Some(&checkpoint))
        .await?;
    data_dir::move_secret_file(&next, &path)?;
    Ok(new.verifier().clone())
}
