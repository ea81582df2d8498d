//! Wrapping all data keys anew under another master key, while everything goes on.
//!
//! The store says which master key is current, and refuses new data keys under any other; so from the moment that it
//! says so the work can only get less. Each wrapped key names the master key that wrapped it: a rotation that was
//! interrupted is taken up again by looking at what is left.
//!
//! A process that does not have the current master key can take nothing in about a new user. So a key becomes the current one
//! only once every process that is running has it ([`processes`](store::processes)), unless somebody insists.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregates::SubjectId;
use tokio::time::sleep;

use super::{MasterKeys, Vault, VaultError};
use sealing::{KeyWrapper, MasterKey, MasterKeyId, SealError, WrappedKey};
use store::processes::{self, BEAT, Label};
use store::{Duty, LEASE_TERM, Lease, Rewrapped, Store, StoreError};

/// Data keys that are wrapped anew in one transaction.
const STEP: u32 = 500;
/// How often everything is gone through once more because a key came in between.
const ROUNDS: usize = 10;
/// Pause between two attempts to take the lease of a rotation.
const LOOK: Duration = Duration::from_millis(250);

/// Why data keys could not be wrapped anew. What has been done stays done; the next attempt goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// Another process is at it.
    #[error("another process is rotating the master key at the moment")]
    Busy,
    /// There is nothing to rotate to.
    #[error("{0} holds no other master key than the current one, and a new one cannot be made there")]
    NoNewKey(String),
    /// Another process made another key current meanwhile.
    #[error("another process made another master key current meanwhile")]
    Overtaken,
    /// Processes that are running do not have the new key.
    #[error("{0}")]
    Lacking(Lacking),
    /// Keys under another master key keep coming in.
    #[error("{0} data keys are still under another master key")]
    Unfinished(u64),
    /// A key cannot be used.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who does not have the key that is to become the current one.
#[derive(Debug)]
pub struct Lacking {
    /// The key.
    pub key: MasterKeyId,
    /// Whether this attempt has made it.
    pub made: bool,
    /// Where it stands here.
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
            "nothing was rotated: master key {key}, which is to be the current one, stands in {place} and is missing in {}; put it \
             there too, before the other keys (a file is looked at every {} s, a process whose keys come from a setting has to be \
             started again), and run `warmledger keys rotate` again, which goes on with this key; --force leaves those behind, and \
             they take in nothing about new users until they have it",
            processes::list(processes),
            BEAT.as_secs()
        )
    }
}

/// Whether a rotation leaves behind processes that do not have the new key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It waits some seconds for them, and is refused.
    Everybody,
    /// It does.
    Whoever,
}

/// What a rotation has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The master key that wraps everything now.
    pub to: MasterKeyId,
    /// Whether an interrupted rotation was taken up again.
    pub resumed: bool,
    /// How many data keys this run has wrapped anew.
    pub rewrapped: u64,
}

/// A rotation that is under way. One process at a time has it.
pub struct Rotation<'a> {
    store: &'a dyn Store,
    masters: Arc<MasterKeys>,
    to: MasterKeyId,
    resumed: bool,
    lease: Box<dyn Lease>,
}

impl<'a> Rotation<'a> {
    /// Makes another master key the current one: the source's newest if that is not current yet, else a new one. If keys
    /// are left from an interrupted rotation, the current one stays and these are what is to be done.
    ///
    /// # Errors
    /// [`RotationError`].
    pub async fn begin(vault: &Vault, store: &'a dyn Store, reach: Reach) -> Result<Self, RotationError> {
        let lease = lease(store).await?;
        let masters = Arc::clone(vault.masters());
        match choose(&masters, store, reach).await {
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

    /// The master key that is to wrap everything.
    pub fn to(&self) -> MasterKeyId {
        self.to
    }

    /// Wraps everything anew, step by step. `progress` hears how many are done and how many there are.
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

/// The right to rotate. One that a killed rotation has left behind ends by itself, and is waited for.
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

/// The key that is to wrap everything, which is the current one from now on, and whether an interrupted rotation had made it so.
async fn choose(masters: &MasterKeys, store: &dyn Store, reach: Reach) -> Result<(MasterKeyId, bool), RotationError> {
    follow(masters, store).await?;
    let from = masters.id();
    if !store.keys_not_under(from, None, 1).await?.is_empty() {
        return Ok((from, true));
    }
    let (to, made) = next(masters, from).await?;
    masters.refresh().await?;
    if reach == Reach::Everybody {
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

/// The key to rotate to, and whether it was made for that.
async fn next(masters: &MasterKeys, from: MasterKeyId) -> Result<(MasterKeyId, bool), RotationError> {
    let source = masters.source();
    let newest = async || source.load().await.map(|keys| keys.first().map(MasterKey::id));
    // one that an operator has put there, or that an interrupted rotation did not come to use
    if let Some(prepared) = newest().await?.filter(|id| *id != from) {
        return Ok((prepared, false));
    }
    source.add().await?;
    let added = newest().await?.filter(|id| *id != from);
    let added = added.ok_or_else(|| RotationError::NoNewKey(source.describe()))?;
    Ok((added, true))
}
