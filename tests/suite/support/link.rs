//! A link between a service and PostgreSQL that can vanish: from then on no bytes pass either way, and neither side is
//! notified, as when a host loses power or a cable is cut. The server keeps the sessions.

use std::sync::{Arc, Mutex};

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Database;

/// A TCP relay on a port of its own. Its connections are closed on drop.
pub struct Link {
    /// The URL of the same database through this link.
    pub url: String,
    /// Cancelled to cut the current connections.
    lines: Arc<Mutex<CancellationToken>>,
    closed: CancellationToken,
    relaying: JoinHandle<()>,
}

impl Link {
    /// A link to the server of a test's database.
    pub async fn to(database: &Database) -> Self {
        let options: PgConnectOptions = database.url.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let named = url::Url::parse(&database.url).unwrap();
        let password = named
            .password()
            .map(|password| format!(":{password}"))
            .unwrap_or_default();
        let url = format!(
            "postgres://{}{password}@127.0.0.1:{port}/{}",
            options.get_username(),
            options.get_database().unwrap()
        );
        let lines = Arc::new(Mutex::new(CancellationToken::new()));
        let closed = CancellationToken::new();
        let relaying = tokio::spawn(relay(listener, options, Arc::clone(&lines), closed.clone()));
        Self {
            url,
            lines,
            closed,
            relaying,
        }
    }

    /// Cuts all connections, new ones too.
    pub fn vanish(&self) {
        self.lines.lock().unwrap().cancel();
    }

    /// Cuts the current connections; new ones work.
    pub fn swap(&self) {
        let mut lines = self.lines.lock().unwrap();
        lines.cancel();
        *lines = CancellationToken::new();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.closed.cancel();
        self.relaying.abort();
    }
}

async fn relay(
    listener: TcpListener,
    options: PgConnectOptions,
    lines: Arc<Mutex<CancellationToken>>,
    closed: CancellationToken,
) {
    loop {
        let (near, _) = listener.accept().await.unwrap();
        let line = lines.lock().unwrap().clone();
        let (options, closed) = (options.clone(), closed.clone());
        tokio::spawn(async move {
            let directory = options.get_socket().cloned().or_else(|| {
                let host = options.get_host();
                host.starts_with('/').then(|| host.into())
            });
            let passing = async {
                match directory {
                    Some(directory) => {
                        let socket = directory.join(format!(".s.PGSQL.{}", options.get_port()));
                        pass(near, UnixStream::connect(socket).await.unwrap(), &line).await;
                    }
                    None => {
                        let far = TcpStream::connect((options.get_host(), options.get_port())).await;
                        pass(near, far.unwrap(), &line).await;
                    }
                }
            };
            closed.run_until_cancelled(passing).await;
        });
    }
}

/// Copies bytes until one side ends; once the line is cut, none, while both sides stay open.
async fn pass(mut near: TcpStream, mut far: impl AsyncRead + AsyncWrite + Unpin, line: &CancellationToken) {
    let passed = line.run_until_cancelled(copy_bidirectional(&mut near, &mut far)).await;
    if passed.is_none() {
        std::future::pending::<()>().await;
    }
}
