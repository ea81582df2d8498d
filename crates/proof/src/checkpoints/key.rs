//! The log's signing key: `ledger-signing.key` in the data directory, 64 hexadecimal digits, or the one in the
//! settings. The store keeps the public keys, the newest of which is the signing one.

use aggregates::{EventId, IdError};

use crate::proofs;
use secret::data_dir;
use store::clock;
use store::{CheckpointStore, NewCheckpoint, StoreError};
use tlog::{NoteSigner, NoteVerifier};

use super::signing_keys::{SigningKeys, half, load};
use super::{CheckpointError, history, sign};

/// The public half of the signing key, in hex; none if the log has no key yet.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn signs(store: &(impl CheckpointStore + ?Sized)) -> Result<Option<String>, StoreError> {
    let newest = store.signing_keys().await?.pop();
    let newest = newest.and_then(|key| NoteVerifier::parse(&key.verifier).ok());
    Ok(newest.as_ref().map(half))
}

/// Checks that this process could sign: a log without a key accepts any.
///
/// # Errors
/// [`CheckpointError::OtherKey`] if not.
pub(super) async fn present(
    store: &(impl CheckpointStore + ?Sized),
    keys: &SigningKeys,
) -> Result<(), CheckpointError> {
    let Some(newest) = store.signing_keys().await?.pop() else {
        return Ok(());
    };
    let held = keys.held();
    match NoteVerifier::parse(&newest.verifier) {
        Ok(verifier) if !held.contains(&half(&verifier)) => Err(CheckpointError::OtherKey {
            place: keys.place(),
            verifier: newest.verifier,
        }),
        _ => Ok(()),
    }
}

/// The signing key, which this process holds. A log without a key gets this process's first one. A rotation that was
/// interrupted after the store had the new key, or made by another process, is completed.
pub(super) async fn current(
    store: &(impl CheckpointStore + ?Sized),
    keys: &SigningKeys,
    origin: &str,
) -> Result<NoteSigner, CheckpointError> {
    let mut known = store.signing_keys().await?;
    if known.is_empty() {
        if store.latest_checkpoint().await?.is_some() {
            return Err(CheckpointError::Keyless);
        }
        let own = keys.own(origin)?;
        store.add_signing_key(&own.verifier().to_string(), None).await?;
        known = store.signing_keys().await?;
    }
    let newest = known.pop().map(|key| key.verifier).unwrap_or_default();
    if let Some(signer) = keys.find(&newest, origin)? {
        return Ok(signer);
    }
    if let Some(next) = keys.waiting_at().filter(|next| next.exists()) {
        let waiting = load(&next, origin)?;
        if newest == waiting.verifier().to_string() {
            data_dir::move_secret_file(&next, &keys.path())?;
            return Ok(waiting);
        }
    }
    let place = keys.place();
    Err(CheckpointError::OtherKey {
        place,
        verifier: newest,
    })
}

/// The key that [`rotate`] would switch to: a new one, which waits in the data directory until then, or the first of
/// those in the settings.
///
/// # Errors
/// As [`rotate`].
pub async fn next_key(
    store: &(impl CheckpointStore + ?Sized),
    keys: impl Into<SigningKeys>,
) -> Result<NoteVerifier, CheckpointError> {
    let origin = super::origin(store, &super::new_origin()).await?;
    Ok(next(store, &keys.into(), &origin).await?.verifier().clone())
}

async fn next(
    store: &(impl CheckpointStore + ?Sized),
    keys: &SigningKeys,
    origin: &str,
) -> Result<NoteSigner, CheckpointError> {
    // before anything is recorded or created
    let tree = store.tree().await?.frontier;
    history::continues(store, keys, origin, (tree.size(), tree.root())).await?;
    current(store, keys, origin).await?;
    let Some(next) = keys.waiting_at() else {
        let first = keys.own(origin)?;
        let name = first.verifier().to_string();
        let known = store.signing_keys().await?.iter().any(|key| key.verifier == name);
        return if known {
            Err(CheckpointError::FixedKeys)
        } else {
            Ok(first)
        };
    };
    // an existing one waits from an unfinished attempt
    data_dir::create_seed(&next)?;
    Ok(load(&next, origin)?)
}

/// The id of the event that announces a signing key: one for each key, however often its rotation is interrupted and
/// resumed.
///
/// # Errors
/// None for any key: the id has valid characters and a valid length.
pub fn rotation_id(key: &NoteVerifier) -> Result<EventId, IdError> {
    EventId::parse(&format!("signing-key-{}", hex::encode(key.public_key())))
}

/// Rotates to the new key: a checkpoint signed by both keys hands over. A service that holds the new key switches by
/// itself.
///
/// # Errors
/// [`CheckpointError`]; [`CheckpointError::OtherKey`] if the signing key is not here, and
/// [`CheckpointError::FixedKeys`] if no new one is given. It can be retried after any of them.
pub async fn rotate(
    store: &(impl CheckpointStore + ?Sized),
    keys: impl Into<SigningKeys>,
) -> Result<NoteVerifier, CheckpointError> {
    let keys = keys.into();
    let origin = super::origin(store, &super::new_origin()).await?;
    let old = current(store, &keys, &origin).await?;
    let new = next(store, &keys, &origin).await?;
    let size = store.tree().await?.frontier.size();
    let root = proofs::root(store, size).await?;
    history::continues(store, &keys, &origin, (size, root)).await?;
    let checkpoint = NewCheckpoint {
        size,
        root,
        note: sign(&origin, size, root, &[&old, &new]),
        created_at: clock::now(),
    };
    store
        .add_signing_key(&new.verifier().to_string(), Some(&checkpoint))
        .await?;
    if let Some(next) = keys.waiting_at() {
        data_dir::move_secret_file(&next, &keys.path())?;
    }
    Ok(new.verifier().clone())
}
