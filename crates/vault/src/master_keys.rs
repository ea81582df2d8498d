//! The master keys known to this process, and which of them wraps new data keys.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use aggregates::SubjectId;
use tokio::sync::Mutex;

use super::{MasterKeySource, VaultError};
use sealing::{DataKey, KeyWrapper, MasterKey, MasterKeyId, SealError};

/// The shortest time between two reads of a source for a missing key: callers that need it retry at once and often.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Known {
    keys: Vec<Arc<MasterKey>>,
    current: MasterKeyId,
    /// The current key, if the source lacks it: nothing is wrapped then.
    missing: Option<MasterKeyId>,
}

impl Known {
    fn find(&self, id: MasterKeyId) -> Option<&Arc<MasterKey>> {
        self.keys.iter().find(|key| key.id() == id)
    }
}

/// When the source was last read, and its stamp at that time.
#[derive(Default)]
struct Asked {
    at: Option<Instant>,
    stamp: Option<[u8; 32]>,
}

/// The keys of a source. The ledger's database says which one is current: all processes wrap under the same one.
pub struct MasterKeys {
    source: Arc<dyn MasterKeySource>,
    known: RwLock<Known>,
    asked: Mutex<Asked>,
}

impl MasterKeys {
    /// The keys of a source, of which `current` wraps; the newest one if the ledger has no current one yet.
    ///
    /// # Errors
    /// [`VaultError::NoMasterKey`] if there is none; [`SealError::NotCurrent`] if the current one is not among them.
    pub fn new(
        source: Arc<dyn MasterKeySource>,
        keys: Vec<MasterKey>,
        current: Option<MasterKeyId>,
    ) -> Result<Self, VaultError> {
        let newest = keys.first().map(MasterKey::id);
        let newest = newest.ok_or_else(|| VaultError::NoMasterKey(source.describe()))?;
        let current = current.unwrap_or(newest);
        let known = Known {
            keys: keys.into_iter().map(Arc::new).collect(),
            current,
            missing: None,
        };
        if known.find(current).is_none() {
            return Err(not_current(&*source, &known, current).into());
        }
        Ok(Self {
            source,
            known: RwLock::new(known),
            asked: Mutex::default(),
        })
    }

    /// Sets the source's stamp at the time the keys were loaded.
    pub fn loaded_at(mut self, stamp: Option<[u8; 32]>) -> Self {
        self.asked.get_mut().stamp = stamp;
        self
    }

    /// Their source.
    pub fn source(&self) -> &Arc<dyn MasterKeySource> {
        &self.source
    }

    /// The ledger's current master key, if this process lacks it.
    pub fn missing(&self) -> Option<MasterKeyId> {
        self.known().missing
    }

    /// The ids of all of them, newest first.
    pub fn ids(&self) -> Vec<MasterKeyId> {
        self.known().keys.iter().map(|key| key.id()).collect()
    }

    /// Reads the source again. Known keys stay known: another process's rotation may not have reached all their data
    /// keys yet.
    ///
    /// # Errors
    /// As [`MasterKeySource::load`].
    pub async fn refresh(&self) -> Result<(), VaultError> {
        let mut asked = self.asked.lock().await;
        self.ask(&mut asked).await
    }

    /// Reads the source again, as [`Self::refresh`], but at most once a second: for a caller with a key that no known
    /// master key opens.
    ///
    /// # Errors
    /// As [`MasterKeySource::load`].
    pub async fn look_again(&self) -> Result<(), VaultError> {
        let mut asked = self.asked.lock().await;
        match asked.at {
            Some(at) if at.elapsed() < PAUSE => Ok(()),
            _ => self.ask(&mut asked).await,
        }
    }

    /// Reads the source again if its stamp has changed.
    ///
    /// # Errors
    /// As [`MasterKeySource::load`].
    pub async fn keep_up(&self) -> Result<(), VaultError> {
        let mut asked = self.asked.lock().await;
        if self.source.stamp().await? == asked.stamp {
            return Ok(());
        }
        self.ask(&mut asked).await
    }

    /// Wraps under this key from now on; if it is unknown, the source is read for it, at most once a second. If the
    /// source lacks it, nothing is wrapped any more: a data key under another master key would be refused.
    ///
    /// # Errors
    /// As [`MasterKeySource::load`]; [`SealError::NotCurrent`] if the source lacks it.
    pub async fn wrap_under(&self, id: MasterKeyId) -> Result<(), VaultError> {
        if self.known().find(id).is_none() {
            let mut asked = self.asked.lock().await;
            let pause = asked
                .at
                .map(|at| PAUSE.saturating_sub(at.elapsed()))
                .unwrap_or_default();
            if self.known().missing == Some(id) && !pause.is_zero() {
                return Err(not_current(&*self.source, &self.known(), id).into());
            }
            tokio::time::sleep(pause).await;
            if let Err(error) = self.ask(&mut asked).await {
                self.change(|known| known.missing = Some(id));
                return Err(error);
            }
        }
        let mut found = false;
        self.change(|known| {
            found = known.find(id).is_some();
            if found {
                known.current = id;
            }
            known.missing = (!found).then_some(id);
        });
        if found {
            Ok(())
        } else {
            Err(not_current(&*self.source, &self.known(), id).into())
        }
    }

    async fn ask(&self, asked: &mut Asked) -> Result<(), VaultError> {
        asked.at = Some(Instant::now());
        let stamp = self.source.stamp().await?;
        let loaded = self.source.load().await?;
        asked.stamp = stamp;
        self.change(|known| {
            let added = loaded.into_iter().filter(|key| known.find(key.id()).is_none());
            let added: Vec<_> = added.map(Arc::new).collect();
            known.keys.splice(0..0, added);
        });
        Ok(())
    }

    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        // each change leaves it consistent, so a panic elsewhere does no harm
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner));
    }
}

fn not_current(source: &dyn MasterKeySource, known: &Known, current: MasterKeyId) -> SealError {
    SealError::NotCurrent {
        current,
        place: source.describe(),
        known: list(known),
    }
}

fn list(known: &Known) -> String {
    let ids: Vec<String> = known.keys.iter().map(|key| key.id().to_string()).collect();
    ids.join(", ")
}

impl KeyWrapper for MasterKeys {
    fn id(&self) -> MasterKeyId {
        self.known().current
    }

    fn wrap(&self, subject: &SubjectId, key: &DataKey) -> Result<Vec<u8>, SealError> {
        let known = self.known();
        match (known.missing, known.find(known.current)) {
            (None, Some(master)) => master.wrap(subject, key),
            (missing, _) => {
                let current = missing.unwrap_or(known.current);
                Err(not_current(&*self.source, &known, current))
            }
        }
    }

    fn unwrap(&self, subject: &SubjectId, wrapped: &[u8]) -> Result<DataKey, SealError> {
        let wrapped_by = MasterKeyId::of_wrapped(wrapped).ok_or(SealError::Tampered)?;
        let known = self.known();
        match known.find(wrapped_by) {
            Some(master) => master.unwrap(subject, wrapped),
            None => Err(SealError::OtherMasterKey {
                wrapped_by,
                known: list(&known),
            }),
        }
    }
}
