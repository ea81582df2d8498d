//! Signs checkpoints: at most one a second while there is traffic, and one more at a clean stop.

use std::sync::Arc;
use std::time::Duration;

use aggregates::Position;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use store::clock;
use store::{Duty, Fence, Lease, NewCheckpoint, Store, StoreError};

use super::{CheckpointError, SigningKeys, Witness, history, key, sign};

/// The pause between two checkpoints, and between two attempts to get the lease.
const PAUSE: Duration = Duration::from_secs(1);

/// The advice if the log is not the signed one.
const ADVICE: &str = "put the newest copy of the database in place, or, if this one is to hold, do as docs/erasure.md says \
                          of backups; `warmledger verify --full` tells what is missing";

/// Signs the log's checkpoints.
pub struct CheckpointSigner {
    store: Arc<dyn Store>,
    keys: SigningKeys,
    origin: String,
    /// Why nothing is signed, and the remedy, while that lasts.
    barred: watch::Sender<Option<String>>,
}

impl CheckpointSigner {
    /// A signer with these keys; a data directory alone means the keys in it. `origin` is the log's name in the
    /// settings; a log without a name gets it, or a random one.
    ///
    /// # Errors
    /// [`CheckpointError`] if the log has another name already, or the store fails.
    pub async fn open(
        store: Arc<dyn Store>,
        keys: impl Into<SigningKeys>,
        origin: Option<&str>,
    ) -> Result<Self, CheckpointError> {
        let offer = origin.map_or_else(super::new_origin, str::to_owned);
        let known = super::origin(&*store, &offer).await?;
        match origin {
            Some(set) if set != known => Err(CheckpointError::Renamed(known, set.to_owned())),
            _ => Ok(Self {
                store,
                keys: keys.into(),
                origin: known,
                barred: watch::Sender::new(None),
            }),
        }
    }

    /// Why this process signs nothing, and the remedy, while that lasts; none otherwise.
    pub fn barred(&self) -> watch::Receiver<Option<String>> {
        self.barred.subscribe()
    }

    /// Signs until `shutdown`, unless another process on the same database does; and once more when `written` says that
    /// the last event is appended.
    pub async fn run(self, shutdown: CancellationToken, written: CancellationToken) {
        let mut lease = None;
        let mut signed = None;
        let mut witnessed = None;
        let mut troubled = false;
        while !shutdown.is_cancelled() {
            let mut signing = self.sign_new(&mut lease, &mut signed).await;
            if lease.is_none() {
                signing = self.witness(&mut witnessed).await.and(signing);
            }
            // logged once, however often it is retried
            match signing {
                Ok(()) => {
                    troubled = false;
                    self.barred.send_replace(None);
                }
                Err(error) => {
                    let advice = if error.is_of_history() { ADVICE } else { "trying again" };
                    if !troubled {
                        tracing::error!(%error, "no checkpoints are signed; {advice}");
                    }
                    troubled = true;
                    self.barred.send_replace(Some(format!("{error}; {advice}")));
                }
            }
            metrics::gauge!("warmledger_checkpoints_failing").set(if troubled { 1.0 } else { 0.0 });
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = sleep(PAUSE) => {}
            }
        }
        written.cancelled().await;
        if let Err(error) = self.sign_new(&mut lease, &mut signed).await {
            tracing::warn!(%error, "no checkpoint was signed at the stop");
        }
    }

    /// Signs once more at the end of a command that has written, unless another process does.
    pub async fn sign_at_stop(&self) {
        if let Err(error) = self.sign_new(&mut None, &mut None).await {
            tracing::warn!(%error, "no checkpoint was signed at the stop");
        }
    }

    /// Signs if there are events after the position `signed`, unless another process signs.
    async fn sign_new(
        &self,
        lease: &mut Option<Box<dyn Lease>>,
        signed: &mut Option<Position>,
    ) -> Result<(), CheckpointError> {
        if let Some(held) = lease
            && !held.is_held().await
        {
            *lease = None;
        }
        if lease.is_none() {
            // a process without the key leaves the lease to others
            key::present(&*self.store, &self.keys).await?;
            *lease = self.store.lease(Duty::Checkpoints).await?;
        }
        let head = self.store.head().await?.position;
        if let (Some(held), true) = (&lease, *signed != Some(head)) {
            match self.sign_under(Some(held.fence())).await {
                Ok(()) => *signed = Some(head),
                // another process signs from now on
                Err(CheckpointError::Store(StoreError::Overtaken(_))) => *lease = None,
                Err(error) => {
                    if matches!(error, CheckpointError::OtherKey { .. }) {
                        // another process may have the missing key
                        *lease = None;
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Signs a checkpoint over the whole log, unless the newest one already covers it.
    ///
    /// # Errors
    /// [`CheckpointError`]; nothing is signed unless the tree extends the signed checkpoints.
    pub async fn sign(&self) -> Result<(), CheckpointError> {
        self.sign_under(None).await
    }

    async fn sign_under(&self, under: Option<Fence>) -> Result<(), CheckpointError> {
        let store = &*self.store;
        let tree = store.tree().await?;
        let size = tree.frontier.size();
        if size != tree.head.position.0 {
            return Err(CheckpointError::Behind);
        }
        let root = tree.frontier.root();
        // before the key is read: a log that was rolled back may lack it
        let latest = history::continues(store, &self.keys, &self.origin, (size, root)).await?;
        let signer = key::current(store, &self.keys, &self.origin).await?;
        let own = std::slice::from_ref(signer.verifier());
        if latest.is_some_and(|latest| latest.size == size && super::open(&latest.note, own).is_ok()) {
            return Ok(());
        }
        let note = sign(&self.origin, size, root, &[&signer]);
        let checkpoint = NewCheckpoint {
            size,
            root,
            note,
            created_at: clock::now(),
        };
        store.add_checkpoint(&checkpoint, under).await?;
        Witness::in_dir(self.keys.data_dir()).keep(&checkpoint.note)?;
        metrics::gauge!("warmledger_checkpoint_size").set(size as f64);
        Ok(())
    }

    /// Stores the newest checkpoint of another process in the file, if the log extends the one there: this process may
    /// sign next, and the other host may be lost with its file.
    async fn witness(&self, witnessed: &mut Option<i64>) -> Result<(), CheckpointError> {
        let latest = self.store.latest_checkpoint().await?;
        if latest.as_ref().is_some_and(|latest| *witnessed == Some(latest.id)) {
            return Ok(());
        }
        let witness = Witness::in_dir(self.keys.data_dir());
        let before = witness.note()?;
        let frontier = self.store.tree().await?.frontier;
        let (size, root) = (frontier.size(), frontier.root());
        let keys = history::verifiers(&*self.store).await?;
        let seen = match history::seen(&*self.store, &self.keys, &self.origin, (size, root)).await {
            // another process with the same data directory has signed since the tree was read
            Err(error) if error.is_of_history() && witness.note()? != before => return Ok(()),
            seen => seen?,
        };
        history::stored(&*self.store, &witness, seen.as_ref()).await?;
        let Some(latest) = latest else { return Ok(()) };
        let name = || format!("checkpoint {}", latest.id);
        let new = super::open(&latest.note, &keys).map_err(|error| CheckpointError::Unreadable(name(), error))?;
        history::extends(&*self.store, (new.size, new.root), (size, root)).await?;
        if seen.is_none_or(|seen| seen.size < new.size) {
            witness.keep(&latest.note)?;
        }
        *witnessed = Some(latest.id);
        Ok(())
    }
}
