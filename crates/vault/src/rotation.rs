//! Rotation: rewrapping all data keys under another master key, while the service runs.
//!
//! The store names the current master key, and refuses new data keys under any other; so once a key is current, the
//! remaining work can only shrink. Each wrapped key names the master key that wrapped it: an interrupted rotation is
//! resumed by listing the keys under others.
//!
//! A process without the current master key cannot record anything about a new user. So a key becomes current only once
//! every running process has it ([`processes`](store::processes)), unless the operator forces it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregates::SubjectId;
use tokio::time::sleep;

use super::{MasterKeys, Vault, VaultError};
use sealing::{KeyWrapper, MasterKey, MasterKeyId, SealError, WrappedKey};
use store::processes::{self, BEAT, Label};
use store::{Duty, LEASE_TERM, Lease, Rewrapped, Store, StoreError};

/// Data keys rewrapped in one transaction.
const STEP: u32 = 500;
/// How often all keys are checked again because a key was added in between.
const ROUNDS: usize = 10;
/// Pause between two attempts to take the lease of a rotation.
const LOOK: Duration = Duration::from_millis(250);

/// Why data keys could not be rewrapped. Finished steps remain; the next attempt resumes.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// Another process is rotating.
    #[error("another process is rotating the master key at the moment")]
    Busy,
    /// There is no key to rotate to.
    #[error("{0} holds no other master key than the current one, and a new one cannot be made there")]
    NoNewKey(String),
    /// Another process made another key current meanwhile.
    #[error("another process made another master key current meanwhile")]
    Overtaken,
    /// Running processes lack the new key.
    #[error("{0}")]
    Lacking(Lacking),
    /// New data keys under another master key keep appearing.
    #[error("{0} data keys are still under another master key")]
    Unfinished(u64),
    /// A key cannot be used.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The processes that lack the next master key.
#[derive(Debug)]
pub struct Lacking {
    /// The key.
    pub key: MasterKeyId,
    /// Whether this attempt has created it.
    pub made: bool,
    /// Its source in this process.
    pub place: String,
    /// The processes.
    pub processes: Vec<Label>,
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key, place, processes, ..
        } = self;
        write!(
            f,
            "nothing was rotated: master key {key}, which is to be the current one, is in {place} and is missing in {}; put it \
             there too, before the other keys (a file is looked at every {} s, a process whose keys come from a setting has to be \
             started again), and run `warmledger keys rotate` again, which goes on with this key; --force leaves those behind, and \
             they take in nothing about new users until they have it",
            processes::list(processes),
            BEAT.as_secs()
        )
    }
}

/// Whether a rotation goes on without the processes that lack the new key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMissingKey {
    /// No: it waits some seconds for them, and then fails.
    Fail,
    /// Yes.
    LeaveBehind,
}

/// The result of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The master key that wraps everything now.
    pub to: MasterKeyId,
    /// Whether it resumed an interrupted rotation.
    pub resumed: bool,
    /// How many data keys this run has rewrapped.
    pub rewrapped: u64,
}

/// A running rotation. One process at a time holds it.
pub struct Rotation<'a> {
    store: &'a dyn Store,
    masters: Arc<MasterKeys>,
    to: MasterKeyId,
    resumed: bool,
    lease: Box<dyn Lease>,
}

impl<'a> Rotation<'a> {
    /// Makes another master key the current one: the source's newest if that is not current yet, else a new one. If
    /// keys are left from an interrupted rotation, the current one stays and that rotation is resumed.
    ///
    /// # Errors
    /// [`RotationError`].
    pub async fn begin(
        vault: &Vault,
        store: &'a dyn Store,
        on_missing_key: OnMissingKey,
    ) -> Result<Self, RotationError> {
        let lease = lease(store).await?;
        let masters = Arc::clone(vault.masters());
        match choose(&masters, store, on_missing_key).await {
            Ok((to, resumed)) => Ok(Self {
                store,
                masters,
                to,
                resumed,
                lease,
            }),
            Err(error) => {
                lease.give_back().await;
                Err(error)
            }
        }
    }

    /// The master key to wrap everything.
    pub fn to(&self) -> MasterKeyId {
        self.to
    }

    /// Rewraps everything, step by step. `progress` gets the number of keys done and their total.
    ///
    /// # Errors
    /// [`RotationError`].
    pub async fn run(self, progress: impl FnMut(u64, u64)) -> Result<Rotated, RotationError> {
        let rotated = self.wrap_all(progress).await;
        self.lease.give_back().await;
        rotated
    }

    async fn wrap_all(&self, mut progress: impl FnMut(u64, u64)) -> Result<Rotated, RotationError> {
        let mut rewrapped = 0;
        let mut left = self.left().await?;
        for _ in 0..ROUNDS {
            if left == 0 {
                break;
            }
            let total = rewrapped + left;
            let mut after: Option<SubjectId> = None;
            loop {
                let step = self.store.keys_not_under(self.to, after.as_ref(), STEP).await?;
                let Some(last) = step.last() else { break };
                after = Some(last.subject.clone());
                let wrapped: Result<Vec<Rewrapped>, SealError> = step.into_iter().map(|key| self.wrap(key)).collect();
                rewrapped += self
                    .store
                    .rewrap(&wrapped.map_err(VaultError::from)?, Some(self.lease.fence()))
                    .await?;
                progress(rewrapped, total.max(rewrapped));
            }
            left = self.left().await?;
        }
        if left > 0 {
            return Err(RotationError::Unfinished(left));
        }
        if let Err(error) = self.store.scrub().await {
            tracing::warn!(%error, "keys as they were wrapped before could not be wiped from the database's files");
        }
        Ok(Rotated {
            to: self.to,
            resumed: self.resumed,
            rewrapped,
        })
    }

    fn wrap(&self, stored: WrappedKey) -> Result<Rewrapped, SealError> {
        let WrappedKey { subject, wrapped, .. } = stored;
        let key = self.masters.unwrap(&subject, &wrapped)?;
        Ok(Rewrapped {
            to: self.masters.wrap(&subject, &key)?,
            from: wrapped,
            subject,
        })
    }

    async fn left(&self) -> Result<u64, StoreError> {
        let counts = self.store.key_counts().await?;
        let others = counts.into_iter().filter(|(id, _)| *id != self.to);
        Ok(others.map(|(_, count)| count).sum())
    }
}

/// The lease of rotations. One left behind by a killed rotation expires, and is waited for.
async fn lease(store: &dyn Store) -> Result<Box<dyn Lease>, RotationError> {
    let deadline = Instant::now() + LEASE_TERM + LOOK;
    loop {
        match store.lease(Duty::KeyRotation).await? {
            Some(lease) => return Ok(lease),
            None if Instant::now() > deadline => return Err(RotationError::Busy),
            None => sleep(LOOK).await,
        }
    }
}

/// The key to wrap everything, now the current one, and whether this resumes an interrupted rotation.
async fn choose(
    masters: &MasterKeys,
    store: &dyn Store,
    on_missing_key: OnMissingKey,
) -> Result<(MasterKeyId, bool), RotationError> {
    follow(masters, store).await?;
    let from = masters.id();
    if !store.keys_not_under(from, None, 1).await?.is_empty() {
        return Ok((from, true));
    }
    let (to, made) = next(masters, from).await?;
    masters.refresh().await?;
    if on_missing_key == OnMissingKey::Fail {
        let name = to.to_string();
        let processes = processes::lacking(store, |holds| holds.master_keys.contains(&name)).await?;
        if !processes.is_empty() {
            return Err(RotationError::Lacking(Lacking {
                key: to,
                made,
                place: masters.source().describe(),
                processes,
            }));
        }
    }
    if !store.set_master_key(from, to).await? {
        return Err(RotationError::Overtaken);
    }
    masters.wrap_under(to).await?;
    Ok((to, false))
}

async fn follow(masters: &MasterKeys, store: &dyn Store) -> Result<(), RotationError> {
    match store.master_key().await? {
        Some(current) if current != masters.id() => Ok(masters.wrap_under(current).await?),
        _ => Ok(()),
    }
}

/// The key to rotate to, and whether it was created for that.
async fn next(masters: &MasterKeys, from: MasterKeyId) -> Result<(MasterKeyId, bool), RotationError> {
    let source = masters.source();
    let newest = async || source.load().await.map(|keys| keys.first().map(MasterKey::id));
    // a key that an operator has added, or that an interrupted rotation has not used yet
    if let Some(prepared) = newest().await?.filter(|id| *id != from) {
        return Ok((prepared, false));
    }
    source.add().await?;
    let added = newest().await?.filter(|id| *id != from);
    let added = added.ok_or_else(|| RotationError::NoNewKey(source.describe()))?;
    Ok((added, true))
}
