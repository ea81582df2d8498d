//! Whether the log still is the signed one. Otherwise nothing is signed: the next checkpoint, and the file beside the
//! keys that stores it, would hide the loss.

use crate::proofs;
use store::{CheckpointStore, KeptCheckpoint};
use tlog::{Checkpoint, Hash, NoteVerifier};

use super::{CheckpointError, SigningKeys, Witness, open};

/// Checks that a tree extends the last signed checkpoints, both of the file beside the keys and of the database, and
/// that the database still has the former. Returns the newest stored checkpoint.
///
/// # Errors
/// [`CheckpointError`]
pub(super) async fn continues(
    store: &(impl CheckpointStore + ?Sized),
    keys: &SigningKeys,
    origin: &str,
    tree: (u64, Hash),
) -> Result<Option<KeptCheckpoint>, CheckpointError> {
    let verifiers = verifiers(store).await?;
    let seen = seen(store, keys, origin, tree).await?;
    let latest = stored(store, &Witness::in_dir(keys.data_dir()), seen.as_ref()).await?;
    if let Some(latest) = &latest {
        if verifiers.is_empty() {
            return Err(CheckpointError::Keyless);
        }
        let name = || format!("checkpoint {}", latest.id);
        let kept = open(&latest.note, &verifiers).map_err(|error| CheckpointError::Unreadable(name(), error))?;
        if seen.as_ref() != Some(&kept) {
            extends(store, (kept.size, kept.root), tree).await?;
        }
    }
    Ok(latest)
}

/// The public keys that have signed the log.
pub(super) async fn verifiers(store: &(impl CheckpointStore + ?Sized)) -> Result<Vec<NoteVerifier>, CheckpointError> {
    let keys = store.signing_keys().await?.into_iter();
    Ok(keys.filter_map(|key| NoteVerifier::parse(&key.verifier).ok()).collect())
}

/// The checkpoint kept beside the keys, if a tree of this size and root extends it.
pub(super) async fn seen(
    store: &(impl CheckpointStore + ?Sized),
    keys: &SigningKeys,
    origin: &str,
    tree: (u64, Hash),
) -> Result<Option<Checkpoint>, CheckpointError> {
    let witness = Witness::in_dir(keys.data_dir());
    let verifiers = verifiers(store).await?;
    let seen = read(&witness, keys, origin, &verifiers, tree.0).map_err(|error| witnessed(error, &witness))?;
    if let Some(seen) = &seen {
        let extends = extends(store, (seen.size, seen.root), tree).await;
        extends.map_err(|error| witnessed(error, &witness))?;
    }
    Ok(seen)
}

/// The newest stored checkpoint, which must not be older than the one in the file: checkpoints are stored before the
/// file is written.
pub(super) async fn stored(
    store: &(impl CheckpointStore + ?Sized),
    witness: &Witness,
    seen: Option<&Checkpoint>,
) -> Result<Option<KeptCheckpoint>, CheckpointError> {
    let latest = store.latest_checkpoint().await?;
    let stored = latest.as_ref().map(|latest| latest.size);
    match seen.map(|seen| seen.size).filter(|signed| Some(*signed) > stored) {
        None => Ok(latest),
        Some(signed) => {
            let stored = stored.unwrap_or_default();
            Err(witnessed(CheckpointError::Removed { signed, stored }, witness))
        }
    }
}

fn witnessed(error: CheckpointError, witness: &Witness) -> CheckpointError {
    match error {
        CheckpointError::Store(_) | CheckpointError::File(_) => error,
        error => CheckpointError::Witnessed(Box::new(error), witness.path().to_owned()),
    }
}

/// The checkpoint kept beside the keys, verified with one of the log's keys.
fn read(
    witness: &Witness,
    keys: &SigningKeys,
    origin: &str,
    verifiers: &[NoteVerifier],
    size: u64,
) -> Result<Option<Checkpoint>, CheckpointError> {
    let unreadable = match witness.checkpoint(verifiers) {
        Err(error @ CheckpointError::Unreadable(..)) => error,
        seen => return seen,
    };
    let own = keys.own(origin)?;
    match witness.checkpoint(std::slice::from_ref(own.verifier())) {
        Ok(Some(kept)) if kept.size > size => Err(CheckpointError::RolledBack {
            signed: kept.size,
            now: size,
        }),
        Ok(Some(_)) if verifiers.is_empty() => Err(CheckpointError::Keyless),
        Ok(Some(kept)) => Err(CheckpointError::Forgotten(kept.size)),
        _ => Err(unreadable),
    }
}

/// Checks that a tree extends a signed one.
pub(super) async fn extends(
    store: &(impl CheckpointStore + ?Sized),
    (signed, signed_root): (u64, Hash),
    (size, root): (u64, Hash),
) -> Result<(), CheckpointError> {
    if signed > size {
        return Err(CheckpointError::RolledBack { signed, now: size });
    }
    let proof = proofs::consistency(store, signed, size).await?;
    if tlog::verify_consistency((signed, &signed_root), (size, &root), &proof) {
        Ok(())
    } else {
        Err(CheckpointError::Rewritten(signed))
    }
}
