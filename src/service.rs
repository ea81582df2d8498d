//! The running service: everything wired together, as `serve`, `demo` and the tests start it.
//!
//! Layout
//! - `reindex`: events that lack the hashes of their e-mail addresses
//! - `waiting`: the service before its database is available

mod reindex;
mod waiting;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use aggregates::{Position, Source};
use anyhow::{Context, anyhow};
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::{Journal, Limiter, Tokens, TrustedProxies, UnderWay};
use crate::alerts::AlertWatch;
use crate::deliveries::{Recorder, keep_tidy};
use crate::duties;
use crate::feed;
use crate::http::{self, App, Limits, Probe};
use crate::metrics::Metrics;
use crate::processes::Registry;
use crate::relay::Relay;
use crate::settings::ServiceSecrets;
use crate::settings::{MasterKeySettings, Settings};
use ledger::erasure::{self, ErasureJournal, Erasures};
use ledger::ingest::Ingest;
use ledger::ingest::signature::Verifier;
use ledger::refused::{Bounds, Keeper};
use ledger::{Ledger, Reader};
use proof::checkpoints::CheckpointSigner;
use runner::{LiveRunner, Snapshots};
use secret::data_dir;
use store::{Duty, Mode, Store, StoreError};
use vault::{GivenKeys, KeyFile, MasterKeySource, Transit, Vault};

/// How many refused webhooks are sealed and kept at the same time.
const KEEPING: usize = 4;
/// The source with the settings of the top level.
pub const MAIN_SOURCE: &str = "coldmailreseller";

/// Everything below HTTP: the store, the vault, the ledger's writer and the ingest of each source.
pub struct Core {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The vault.
    pub vault: Arc<Vault>,
    /// The ledger's writer.
    pub ledger: Ledger,
    /// Receives webhooks, by the name of the source.
    pub ingests: BTreeMap<String, Ingest>,
    /// Erases, holds and releases subjects.
    pub erasures: Erasures,
    /// The service's secrets.
    pub secrets: ServiceSecrets,
    /// The head before journal and ledger were compared: later erasures are not in the journal yet.
    compared: Position,
    writer: JoinHandle<()>,
    signer: CheckpointSigner,
}

impl Core {
    /// Opens store and vault and starts the writer. Missing files of the data directory are created; a ledger only in
    /// [`Mode::Migrate`].
    ///
    /// # Errors
    /// If the data directory, a key or the store cannot be used.
    pub async fn open(settings: &Settings, mode: Mode) -> anyhow::Result<Self> {
        Self::on(open_store(settings, mode).await?, settings).await
    }

    /// The same on an open store.
    async fn on(store: Arc<dyn Store>, settings: &Settings) -> anyhow::Result<Self> {
        data_dir::create_dir(&settings.data_dir)?;
        let vault = Arc::new(
            Vault::open(master_keys(settings)?, &*store)
                .await
                .with_context(|| format!("cannot open the keys of {}", settings.database_url))?,
        );
        let mut secrets = ServiceSecrets::prepare(settings)?;
        secrets.created.extend(vault.created().cloned());
        let journal = Arc::new(ErasureJournal::new(&settings.erasure_journal, vault.ledger_name()));
        let compared = store.head().await?.position;
        erasure::restore(&*store, &journal).await?;
        let (ledger, writer) =
            Ledger::start(Arc::clone(&store), Arc::clone(&vault), settings.queue_capacity.get()).await?;
        let reader = Reader::new(Arc::clone(&store), Arc::clone(&vault));
        let erasures = Erasures::new(Arc::clone(&store), reader, ledger.clone(), journal);
        let origin = settings.checkpoint_origin.as_deref();
        let signer = CheckpointSigner::open(Arc::clone(&store), settings, origin).await?;
        let ingest = |source: Source, verifier: Verifier| {
            let fingerprints = Arc::clone(vault.fingerprints());
            (
                source.as_str().to_owned(),
                Ingest::new(source, verifier, fingerprints, ledger.clone()),
            )
        };
        let main = ingest(
            Source::parse(MAIN_SOURCE)?,
            Verifier::new(&secrets.webhook_keys, settings.signature).fresh_for(settings.freshness),
        );
        let others = settings.sources.iter().map(|(source, own)| {
            let verifier = Verifier::new(&own.webhook_key, own.signature).fresh_for(own.freshness);
            ingest(source.clone(), verifier)
        });
        let ingests = others.chain([main]).collect();
        Ok(Self {
            store,
            vault,
            ledger,
            ingests,
            erasures,
            secrets,
            compared,
            writer,
            signer,
        })
    }

    /// Drops the ledger's handles, waits until the writer has answered its queue, and signs a checkpoint.
    pub async fn close(self) {
        let Self {
            store,
            ledger,
            ingests,
            erasures,
            writer,
            signer,
            ..
        } = self;
        drop((ledger, ingests, erasures));
        if let Err(error) = writer.await {
            tracing::error!(%error, "the ledger's writer failed");
        }
        signer.sign_at_stop().await;
        store.close().await;
    }
}

/// The limits of all connections together.
fn limits(settings: &Settings) -> Limits {
    let limits = Limits {
        connections: settings.max_connections,
        body_bytes: settings.body_budget_bytes,
    };
    limits.within_descriptors()
}

/// Comes first: if the address is taken, nothing is created.
async fn bind(settings: &Settings) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(settings.listen).await;
    bound.with_context(|| format!("cannot listen on {}", settings.listen))
}

/// Opens the store of the settings.
///
/// # Errors
/// If it cannot be reached, or does not fit the mode.
pub async fn open_store(settings: &Settings, mode: Mode) -> anyhow::Result<Arc<dyn Store>> {
    let url = &settings.database_url;
    if mode == Mode::Migrate {
        // the SQLite file may be in this directory
        data_dir::create_dir(&settings.data_dir)?;
    }
    store::open(url, mode).await.map_err(|error| match error {
        StoreError::NoLedger => anyhow!(
            "there is no ledger at {url} yet: `warmledger serve` or `warmledger migrate` makes one; or name another with \
             --data-dir or --database-url"
        ),
        error => anyhow::Error::new(error).context(format!("cannot open {url}")),
    })
}

/// The source of the master keys.
///
/// # Errors
/// If the client of the transit engine cannot be made.
pub fn master_keys(settings: &Settings) -> anyhow::Result<Arc<dyn MasterKeySource>> {
    Ok(match &settings.master_key {
        MasterKeySettings::File(path) => Arc::new(KeyFile::plain(path)),
        MasterKeySettings::Given(keys) => Arc::new(GivenKeys::new(keys.clone())),
        MasterKeySettings::Transit(path, transit) => {
            Arc::new(KeyFile::sealed(path, Transit::new((**transit).clone())?))
        }
    })
}

/// A service that listens.
pub struct Service {
    address: SocketAddr,
    created: Vec<PathBuf>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
    server: JoinHandle<()>,
    runner: JoinHandle<()>,
    writer: JoinHandle<()>,
    signer: JoinHandle<()>,
    /// Cancelled once the last event is appended.
    written: CancellationToken,
    store: Arc<dyn Store>,
}

impl Service {
    /// Starts everything. When it returns, the service accepts webhooks.
    ///
    /// # Errors
    /// If the core cannot be opened or the address is taken.
    pub async fn start(settings: &Settings, metrics: Metrics) -> anyhow::Result<Self> {
        let listener = bind(settings).await?;
        let store = open_store(settings, Mode::Migrate).await?;
        Self::start_on(listener, store, settings, metrics).await
    }

    /// The same; while PostgreSQL is down or read-only, it retries, logs that, and answers `/healthz` meanwhile. None
    /// if `stop` came first.
    ///
    /// # Errors
    /// As [`Self::start`], except for a database that may become available.
    pub async fn start_when_there(
        settings: &Settings,
        metrics: Metrics,
        stop: &CancellationToken,
    ) -> anyhow::Result<Option<Self>> {
        let listener = bind(settings).await?;
        let (listener, store) = waiting::open_store(listener, settings, stop).await?;
        match store {
            Some(store) => Ok(Some(Self::start_on(listener, store, settings, metrics).await?)),
            None => Ok(None),
        }
    }

    /// Boxed, or each crate that starts a service would compile all of it again.
    fn start_on(
        listener: TcpListener,
        store: Arc<dyn Store>,
        settings: &Settings,
        metrics: Metrics,
    ) -> BoxFuture<'_, anyhow::Result<Self>> {
        Box::pin(Self::started_on(listener, store, settings, metrics))
    }

    async fn started_on(
        listener: TcpListener,
        store: Arc<dyn Store>,
        settings: &Settings,
        metrics: Metrics,
    ) -> anyhow::Result<Self> {
        let address = listener.local_addr()?;
        let Core {
            store,
            vault,
            ledger,
            ingests,
            erasures,
            secrets,
            compared,
            writer,
            signer,
        } = Core::on(store, settings).await?;
        let mut registry = Registry::new(
            Arc::clone(&store),
            Arc::clone(&vault),
            settings,
            MAIN_SOURCE,
            &secrets.admin_token,
            &secrets.webhook_keys,
        );
        // before it serves: a key rotation that begins now has to see this process
        registry.beat().await;
        let shutdown = CancellationToken::new();
        let live = LiveRunner::new(Arc::clone(&store));
        live.prepare().await?;
        let alerts = AlertWatch::begin(Arc::clone(&store)).await;
        ledger.keep_pace_with(live.lag());
        let runner = tokio::spawn(live.clone().run(ledger.tail(), shutdown.clone()));
        let tasks = TaskTracker::new();
        let (head, watching) = feed::watch_head(Arc::clone(&store), ledger.tail(), shutdown.clone());
        tasks.spawn(watching);
        tasks.spawn(metrics.clone().keep_up(shutdown.clone()));
        let comparison = registry.comparison();
        tasks.spawn(registry.run(shutdown.clone()));
        tasks.spawn(store::keep_trimmed(Arc::clone(&store), shutdown.clone()));
        let watched = alerts.alerts();
        tasks.spawn(alerts.run(shutdown.clone()));
        let (not_followed, erasures_not_followed) = tokio::sync::watch::channel(None);
        tasks.spawn(erasure::follow(
            Arc::clone(&store),
            Arc::clone(&vault),
            Arc::clone(erasures.journal()),
            head.clone(),
            compared,
            shutdown.clone(),
            not_followed,
        ));
        let reader = Reader::new(Arc::clone(&store), Arc::clone(&vault));
        tasks.spawn(reindex::follow(Arc::clone(&store), reader.clone(), shutdown.clone()));
        let keeper = Arc::new(Keeper::new(
            Arc::clone(&store),
            Arc::clone(&vault),
            Bounds {
                keep: settings.refused_keep,
                bytes: settings.refused_max_bytes.get() as u64,
                known_for: settings.deliveries_keep,
            },
        ));
        let (recorder, listing) = Recorder::new(Arc::clone(&store)).await?;
        tasks.spawn(listing);
        let (tidied, kept_for) = (Arc::clone(&keeper), settings.deliveries_keep);
        tasks.spawn(keep_tidy(Arc::clone(&store), tidied, kept_for, shutdown.clone()));
        let written = CancellationToken::new();
        let barred = signer.barred();
        let signer = tokio::spawn(signer.run(shutdown.clone(), written.clone()));
        if let Some(url) = settings.nats_url.clone() {
            let relay = Relay::new(Arc::clone(&store), url, head.clone());
            tasks.spawn(relay.run(shutdown.clone()));
        }
        let mut duties = vec![Duty::Projections, Duty::Checkpoints];
        duties.extend(settings.nats_url.is_some().then_some(Duty::Relay));
        let (vacant, watching) = duties::watch(Arc::clone(&store), duties, shutdown.clone());
        tasks.spawn(watching);
        let journal = Journal::new(ledger.clone(), settings.events_per_minute);
        let limits = limits(settings);
        // event streams get half; webhooks and other calls get the rest
        let half = limits.connections.get() / 2;
        let app = App {
            reader,
            store: Arc::clone(&store),
            ledger,
            ingests,
            deliveries: recorder,
            keeper,
            keeping: Semaphore::new(KEEPING),
            erasures,
            head,
            heartbeat: settings.heartbeat,
            consumers_per_token: settings.consumers_per_token,
            consumers: Mutex::default(),
            live,
            snapshots: Snapshots::new(Arc::clone(&store), tasks.clone(), shutdown.clone()),
            moments: Limiter::per_minute(
                settings.moments_per_minute,
                "lists of other moments folded a minute",
                "moments_per_minute",
            ),
            tokens: Arc::new(Tokens::new(Arc::clone(&store), &secrets.admin_token, tasks.clone())),
            journal,
            streams: UnderWay::at_most(settings.streams_per_token, "event streams open", "streams_per_token"),
            stream_room: Arc::new(Semaphore::new(half)),
            proxies: Arc::new(TrustedProxies::new(
                settings.trusted_proxies.clone(),
                settings.reveal_over_loopback,
            )),
            reveals: Limiter::per_minute(
                settings.reveals_per_minute,
                "mailboxes revealed a minute",
                "reveals_per_minute",
            ),
            calls: UnderWay::at_most(
                settings.calls_per_token,
                "calls under way at the same time",
                "calls_per_token",
            ),
            lag_limit: settings.lag_limit,
            ready_with_parked: settings.ready_with_parked,
            probe: Probe::default(),
            barred,
            erasures_not_followed,
            comparison,
            alerts: watched,
            vacant,
            metrics,
            shutdown: shutdown.clone(),
            tasks: tasks.clone(),
        };
        let router = http::router(app)?;
        let server = tokio::spawn(http::serve(listener, router, limits, shutdown.clone()));
        Ok(Self {
            address,
            created: secrets.created,
            shutdown,
            tasks,
            server,
            runner,
            writer,
            signer,
            written,
            store,
        })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The secret files that this start created.
    pub fn created(&self) -> &[PathBuf] {
        &self.created
    }

    /// Stops accepting, answers everything that was accepted, and ends.
    ///
    /// # Errors
    /// If the server failed.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        // the router holds the ledger's handles: once the server has ended, the writer empties its queue and ends
        let served = self.server.await;
        self.writer.await.context("the ledger's writer failed")?;
        self.written.cancel();
        self.signer.await.context("the signer of checkpoints failed")?;
        self.runner.await.context("the projections' runner failed")?;
        self.tasks.close();
        self.tasks.wait().await;
        self.store.close().await;
        served.context("the server failed")
    }
}
