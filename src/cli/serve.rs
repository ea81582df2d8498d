//! `warmledger serve`

use std::process::ExitCode;

use clap::Args;

use super::interrupt;
use crate::{
    metrics::Metrics,
    service::Service,
    settings::{Origin, Settings},
};
use secret::data_dir::SecretFile;

/// The arguments of `warmledger serve`.
#[derive(Args)]
#[command(after_help = "\
The first start creates a master key, a ledger signing key, a webhook key and an admin token (mode 0600) in the data
directory and prints where they are, never their values. While PostgreSQL is not up it waits, and answers /healthz.

Examples:
  warmledger serve
  warmledger serve --listen 0.0.0.0:8080 --data-dir /var/lib/warmledger
  WARMLEDGER_DATABASE_URL=postgres://warmledger:…@db/warmledger warmledger serve --log-format json")]
pub struct ServeArgs {
    /// Address to listen on, IP:PORT; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
}

/// Runs the service until it is stopped.
///
/// # Errors
/// If it can't start, or can't go on.
pub async fn run(_args: ServeArgs, settings: Settings) -> anyhow::Result<ExitCode> {
    let stop = interrupt::token()?;
    let Some(service) = Service::start_when_there(&settings, Metrics::install()?, &stop).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    announce(&settings, &service);
    stop.cancelled().await;
    tracing::info!("stopping: no new webhooks are taken, those taken are finished");
    service.stop().await?;
    Ok(ExitCode::SUCCESS)
}

/// Logs the listening address, the locations of its files, and new secret files.
fn announce(settings: &Settings, service: &Service) {
    for path in service.created() {
        tracing::info!("made {} (mode 0600): keep it safe, and back it up", path.display());
    }
    let token = match settings.origin("admin_token") {
        Origin::Default => format!("in {}", SecretFile::AdminToken.path(&settings.data_dir).display()),
        _ => "as set".to_owned(),
    };
    tracing::info!("database {}; admin token {token}", settings.database_url);
    tracing::info!("listening on http://{}", service.address());
    if let Some((file, who)) = settings.exposed_file() {
        tracing::warn!(
            "{} holds secrets and can be read by {who}; run: chmod 600 {}",
            file.display(),
            file.display()
        );
    }
    if !settings.listen.ip().is_loopback() && settings.trusted_proxies.is_empty() {
        tracing::warn!(
            "connections to {} are not encrypted, so anyone on the way can read them: put a proxy that ends TLS in front, name it in \
             trusted_proxies, and let nobody else reach this address",
            service.address()
        );
    }
}
