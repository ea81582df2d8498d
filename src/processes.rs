//! The processes of the service on one ledger: each says every two seconds that it is there and what it holds, looks at what
//! the others hold, and tells what it is missing that another one has.
//!
//! It also is where a process takes up keys that were put into its files, and finds out that another master key has become the
//! current one, without waiting for a webhook that needs it.
//!
//! - `differences`: what another process holds that is missing here

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

/// How long the place of the master keys, or the store, may take to answer: a process that waits longer would count as gone.
const PATIENCE: Duration = Duration::from_secs(3);

/// How this process stands among the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Why this process cannot take in everything, while it does not have the current master key.
    pub barred: Option<String>,
    /// What is missing here.
    pub differences: Vec<Difference>,
}

/// This process among the others.
pub struct Registry {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    signing: SigningKeys,
    own: Process,
    standing: watch::Sender<Standing>,
    /// Whether the store was away, or the keys could not be read, at the last beat: said once.
    troubled: bool,
}

impl Registry {
    /// A process with these settings, this admin token, and these keys of its main source.
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
            standing: watch::Sender::new(Standing::default()),
            troubled: false,
        }
    }

    /// How this process stands among the others, as of the last beat.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Says every two seconds that this process is there, until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(sleep(BEAT)).await.is_some() {
            self.beat().await;
        }
        // if it cannot be said, the others notice by themselves
        match timeout(PATIENCE, self.store.process_ended(&self.own.id)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the other processes could not be told that this one ends"),
            Err(_) => tracing::warn!("the other processes could not be told in time that this one ends"),
        }
    }

    /// Takes up what was put into this process's files, says that it is there, and looks at the others.
    pub async fn beat(&mut self) {
        let taken_up = timeout(PATIENCE, self.vault.masters().keep_up()).await;
        let mut trouble = match taken_up {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("its master keys cannot be read again: {error}")),
            Err(_) => Some("the place of its master keys does not answer".to_owned()),
        };
        match timeout(PATIENCE, self.meet()).await {
            Ok(Ok(standing)) => self.take(standing),
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

    async fn meet(&mut self) -> Result<Standing, StoreError> {
        // the store says which master key is current; if this process does not have it, that is what is to be told
        if let Some(current) = self.store.master_key().await? {
            let wraps = self.vault.masters().wrap_under(current).await;
            let barred = wraps.err().map(|error| error.to_string());
            self.own.holds.master_keys = self.vault.masters().ids().iter().map(ToString::to_string).collect();
            self.own.holds.signing_keys = self.signing.held();
            self.store.process_seen(&self.own).await?;
            let signs = checkpoints::signs(&*self.store).await?;
            let others = self.store.processes().await?;
            let differences = differences::of(&self.own, &others, signs.as_deref());
            return Ok(Standing { barred, differences });
        }
        Ok(Standing::default())
    }

    /// Tells what has changed.
    fn take(&self, standing: Standing) {
        let before = self.standing.borrow().clone();
        match (&before.barred, &standing.barred) {
            (None, Some(cause)) => tracing::error!(
                "{cause}: put it there; until then nothing about new users is taken in, and this process is not ready"
            ),
            (Some(_), None) => tracing::info!("the current master key is here again"),
            _ => {}
        }
        for new in standing
            .differences
            .iter()
            .filter(|new| !before.differences.contains(new))
        {
            tracing::warn!(thing = new.thing.name(), "{}", new.detail);
        }
        for thing in Thing::ALL {
            let differs = standing.differences.iter().any(|one| one.thing == thing);
            if !differs && before.differences.iter().any(|one| one.thing == thing) {
                tracing::info!(
                    thing = thing.name(),
                    "the other processes have nothing more of that which is missing here"
                );
            }
            metrics::gauge!("warmledger_process_differs", "thing" => thing.name()).set(f64::from(u8::from(differs)));
        }
        let missing = f64::from(u8::from(standing.barred.is_some()));
        metrics::gauge!("warmledger_master_key_missing").set(missing);
        self.standing.send_replace(standing);
    }
}

/// Says nothing about the secret to whoever does not have the ledger's keys.
fn fingerprint(vault: &Vault, kind: &str, secret: &Secret<String>) -> String {
    let text = Wiped::new(format!("warmledger {kind} v1\n{}", secret.expose()));
    vault.fingerprints().of(text.as_bytes()).to_string()
}
