//! Waits until the database, or the transit engine of the master keys, is available; logs that, and answers `/healthz`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::http;
use crate::service::limits;
use crate::settings::{DatabaseUrl, MasterKeySettings, Settings};
use secret::data_dir;
use store::{Mode, Store, StoreError};
use vault::{OpenVaultError, TransitError, Vault, VaultError};

/// The pause before the second attempt; it doubles with each attempt, up to `LONGEST`.
const SHORTEST: Duration = Duration::from_millis(250);
/// The longest pause between two attempts, and so the longest delay until the database is noticed.
const LONGEST: Duration = Duration::from_secs(4);
/// How often the wait is logged again.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Opens the store once it is available; none if `stop` came first. Returns the listener, which it has used meanwhile.
pub(super) async fn open_store(
    listener: TcpListener,
    settings: &Settings,
    stop: &CancellationToken,
) -> anyhow::Result<(TcpListener, Option<Arc<dyn Store>>)> {
    let error = match open(settings).await {
        Err(error) if may_pass(settings, &error) => error,
        opened => return Ok((listener, Some(opened?))),
    };
    let address = listener.local_addr()?;
    let (listener, answering) = shared(listener).context("cannot listen while waiting for the database")?;
    let done = CancellationToken::new();
    let server = http::serve(answering, http::waiting_router(), limits(settings), done.clone());
    let server = tokio::spawn(server);
    tell(&error, address);
    let opened = stop.run_until_cancelled(retry(settings, address)).await.transpose();
    done.cancel();
    server.await.context("the server failed")?;
    Ok((listener, opened?))
}

async fn retry(settings: &Settings, address: SocketAddr) -> anyhow::Result<Arc<dyn Store>> {
    let (mut pause, mut told) = (SHORTEST, Instant::now());
    loop {
        sleep(pause).await;
        pause = LONGEST.min(pause * 2);
        match open(settings).await {
            Err(error) if may_pass(settings, &error) => {
                if told.elapsed() >= TOLD_EVERY {
                    tell(&error, address);
                    told = Instant::now();
                }
            }
            opened => return opened,
        }
    }
}

/// Opens the store, and checks that the master keys can be read: a transit engine may be down too.
async fn open(settings: &Settings) -> anyhow::Result<Arc<dyn Store>> {
    let store = super::open_store(settings, Mode::Migrate).await?;
    if let MasterKeySettings::Transit(..) = settings.master_key {
        // the service opens it again, so files created here stay
        data_dir::create_dir(&settings.data_dir)?;
        if let Err(error) = Vault::open(super::master_keys(settings)?, &*store).await {
            store.close().await;
            return Err(error.into());
        }
    }
    Ok(store)
}

fn tell(error: &anyhow::Error, address: SocketAddr) {
    let what = match error.downcast_ref::<OpenVaultError>() {
        Some(_) => "transit engine",
        None => "database",
    };
    tracing::warn!(
        "waiting for the {what}: {error:#}; meanwhile only /healthz is answered, listening on http://{address}"
    );
}

/// Whether the database may become available or writable. A missing file will not.
fn may_pass(settings: &Settings, error: &anyhow::Error) -> bool {
    if let Some(OpenVaultError::Vault(VaultError::Transit(error))) = error.downcast_ref::<OpenVaultError>() {
        return matches!(error, TransitError::Away { .. });
    }
    let passes = error.downcast_ref::<StoreError>().is_some_and(StoreError::is_transient);
    passes && matches!(settings.database_url, DatabaseUrl::Postgres(_))
}

/// The listener twice: either one accepts connections.
fn shared(listener: TcpListener) -> std::io::Result<(TcpListener, TcpListener)> {
    let listener = listener.into_std()?;
    let other = listener.try_clone()?;
    Ok((TcpListener::from_std(listener)?, TcpListener::from_std(other)?))
}
