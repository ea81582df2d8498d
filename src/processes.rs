//! The processes of the service on one ledger: each stores every two seconds that it runs and which secrets it holds,
//! reads the others' rows, and reports secrets that it lacks and another process holds.
//!
//! Also picks up keys that were put into this process's files, and a change of the current master key, without waiting
//! for a webhook that needs it.
//!
//! - `differences`: secrets that another process holds and this one lacks

mod differences;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

pub use differences::{Difference, Thing};
pub use store::processes::{BEAT, Label, lacking, list};

use crate::settings::Settings;
use proof::checkpoints::{self, SigningKeys};
use secret::{Secret, Wiped};
use store::{Holds, Process, Store, StoreError};
use vault::Vault;

/// Time-out for the source of the master keys, and for the store: a process that waits longer would count as gone.
const PATIENCE: Duration = Duration::from_secs(3);

/// This process compared with the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Why this process cannot record everything, while it lacks the current master key.
    pub barred: Option<String>,
    /// Secrets that this process lacks.
    pub differences: Vec<Difference>,
}

/// Registers this process among the others.
pub struct Registry {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    signing: SigningKeys,
    own: Process,
    comparison: watch::Sender<Comparison>,
    /// Whether the store or the keys could not be read at the last beat: logged once.
    troubled: bool,
}

impl Registry {
    /// A process with these settings, this admin token, and these webhook keys of its main source.
    pub fn new(
        store: Arc<dyn Store>,
        vault: Arc<Vault>,
        settings: &Settings,
        main_source: &str,
        admin_token: &Secret<String>,
        webhook_keys: &[Secret<String>],
    ) -> Self {
        let fingerprints = |kind: &str, keys: &[Secret<String>]| -> Vec<String> {
            let keys = keys.iter().map(|key| fingerprint(&vault, kind, key));
            keys.collect()
        };
        let others = settings
            .sources
            .iter()
            .map(|(name, own)| (name.as_str().to_owned(), fingerprints("webhook key", &own.webhook_key)));
        let main = (main_source.to_owned(), fingerprints("webhook key", webhook_keys));
        let holds = Holds {
            admin_token: fingerprint(&vault, "admin token", admin_token),
            webhook_keys: others.chain([main]).collect::<BTreeMap<_, _>>(),
            ..Holds::default()
        };
        let own = Process {
            id: hex::encode(rand::random::<[u8; 16]>()),
            host: whoami::hostname().unwrap_or_else(|_| "unknown".to_owned()),
            pid: std::process::id(),
            data_dir: std::path::absolute(&settings.data_dir)
                .unwrap_or_else(|_| settings.data_dir.clone())
                .display()
                .to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            holds,
        };
        Self {
            store,
            vault,
            signing: settings.into(),
            own,
            comparison: watch::Sender::new(Comparison::default()),
            troubled: false,
        }
    }

    /// The comparison with the other processes, as of the last beat.
    pub fn comparison(&self) -> watch::Receiver<Comparison> {
        self.comparison.subscribe()
    }

    /// Stores every two seconds that this process runs, until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(sleep(BEAT)).await.is_some() {
            self.beat().await;
        }
        // if this fails, the others notice by the missing beats
        match timeout(PATIENCE, self.store.process_ended(&self.own.id)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the other processes could not be told that this one ends"),
            Err(_) => tracing::warn!("the other processes could not be told in time that this one ends"),
        }
    }

    /// Picks up keys from this process's files, stores that it runs, and reads the others.
    pub async fn beat(&mut self) {
        let taken_up = timeout(PATIENCE, self.vault.masters().keep_up()).await;
        let mut trouble = match taken_up {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("its master keys cannot be read again: {error}")),
            Err(_) => Some("the place of its master keys does not answer".to_owned()),
        };
        match timeout(PATIENCE, self.meet()).await {
            Ok(Ok(comparison)) => self.take(comparison),
            Ok(Err(error)) => trouble = Some(error.to_string()),
            Err(_) => trouble = Some(format!("the store did not answer within {} s", PATIENCE.as_secs())),
        }
        match trouble {
            Some(trouble) if !self.troubled => {
                tracing::warn!("this process cannot compare itself with the others: {trouble}; trying again");
                self.troubled = true;
            }
            Some(_) => {}
            None => self.troubled = false,
        }
    }

    async fn meet(&mut self) -> Result<Comparison, StoreError> {
        // the store has the current master key; a process that lacks it reports that
        if let Some(current) = self.store.master_key().await? {
            let wraps = self.vault.masters().wrap_under(current).await;
            let barred = wraps.err().map(|error| error.to_string());
            self.own.holds.master_keys = self.vault.masters().ids().iter().map(ToString::to_string).collect();
            self.own.holds.signing_keys = self.signing.held();
            self.store.process_seen(&self.own).await?;
            let signs = checkpoints::signs(&*self.store).await?;
            let others = self.store.processes().await?;
            let differences = differences::of(&self.own, &others, signs.as_deref());
            return Ok(Comparison { barred, differences });
        }
        Ok(Comparison::default())
    }

    /// Stores the comparison, and logs changes.
    fn take(&self, comparison: Comparison) {
        let before = self.comparison.borrow().clone();
        match (&before.barred, &comparison.barred) {
            (None, Some(cause)) => tracing::error!(
                "{cause}: put it there; until then nothing about new users is taken in, and this process is not ready"
            ),
            (Some(_), None) => tracing::info!("the current master key is here again"),
            _ => {}
        }
        for new in comparison
            .differences
            .iter()
            .filter(|new| !before.differences.contains(new))
        {
            tracing::warn!(thing = new.thing.name(), "{}", new.detail);
        }
        for thing in Thing::ALL {
            let differs = comparison.differences.iter().any(|one| one.thing == thing);
            if !differs && before.differences.iter().any(|one| one.thing == thing) {
                tracing::info!(
                    thing = thing.name(),
                    "the other processes have nothing more of that which is missing here"
                );
            }
            metrics::gauge!("warmledger_process_differs", "thing" => thing.name()).set(f64::from(u8::from(differs)));
        }
        let missing = f64::from(u8::from(comparison.barred.is_some()));
        metrics::gauge!("warmledger_master_key_missing").set(missing);
        self.comparison.send_replace(comparison);
    }
}

/// A keyed hash: it reveals nothing about the secret without the ledger's keys.
fn fingerprint(vault: &Vault, kind: &str, secret: &Secret<String>) -> String {
    let text = Wiped::new(format!("warmledger {kind} v1\n{}", secret.expose()));
    vault.fingerprints().of(text.as_bytes()).to_string()
}
