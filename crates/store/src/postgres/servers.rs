//! Which of the URL's servers takes writes, now and after a failover: libpq's `target_session_attrs=read-write`.

use std::time::Duration;

use futures_util::future::join_all;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool};
use sqlx::{Row, raw_sql};
use tokio::time::{sleep, timeout};

use super::session::{self, ACQUIRE_TIMEOUT};
use crate::{Mode, StoreError};

/// The pause between two checks whether the server still takes writes.
const PAUSE: Duration = Duration::from_secs(1);

/// An acceptable server.
pub(super) struct Chosen {
    /// Its index in the list.
    pub(super) index: usize,
    /// A connection to it.
    pub(super) connection: PgConnection,
}

/// The server that takes writes; in read-only mode, any that answers if there is none.
pub(super) async fn find(servers: &[PgConnectOptions], mode: Mode) -> Result<Chosen, StoreError> {
    let looks = join_all(servers.iter().map(look)).await;
    let (mut writable, mut readable, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
    for (index, look) in looks.into_iter().enumerate() {
        match look {
            Ok((connection, true)) => writable.push(Chosen { index, connection }),
            Ok((connection, false)) => readable.push(Chosen { index, connection }),
            Err(error) => refusals.push(error),
        }
    }
    if let Some(found) = newest(writable).await {
        return Ok(found);
    }
    if !readable.is_empty() {
        return match mode {
            Mode::ReadOnly => Ok(readable.swap_remove(0)),
            _ if servers.len() > 1 => Err(StoreError::ReadOnly(format!(
                "none of the {} servers does, of which {} answer",
                servers.len(),
                readable.len()
            ))),
            _ => Err(StoreError::ReadOnly("it is a standby, or was set read-only".to_owned())),
        };
    }
    // a transient failure is reported first, since waiting may help
    let passing = refusals.iter().position(StoreError::is_transient).unwrap_or_default();
    Err(match refusals.is_empty() {
        true => StoreError::Unsuitable("the database URL names no server".to_owned()),
        false => refusals.swap_remove(passing),
    })
}

/// A connection to a server, and whether it takes writes.
async fn look(options: &PgConnectOptions) -> Result<(PgConnection, bool), StoreError> {
    let mut connection = session::connect(options).await?;
    match timeout(ACQUIRE_TIMEOUT, session::takes_writes(&mut connection)).await {
        Ok(writable) => Ok((connection, writable?)),
        Err(_) => Err(StoreError::Unavailable(format!("no answer within {ACQUIRE_TIMEOUT:?}"))),
    }
}

/// Of several that take writes, the one promoted last: writes to an old primary that has come back would be lost with
/// it.
async fn newest(mut writable: Vec<Chosen>) -> Option<Chosen> {
    if writable.len() < 2 {
        return writable.pop();
    }
    tracing::error!(
        "{} of the database's servers take writes: the one that was promoted last is used; stop the others",
        writable.len()
    );
    let mut best: Option<(String, Chosen)> = None;
    for mut found in writable {
        let sql = "SELECT left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) AS timeline";
        let asked = raw_sql(sql).fetch_one(&mut found.connection).await;
        let timeline = asked.and_then(|row| row.try_get::<String, _>(0)).unwrap_or_default();
        if best.as_ref().is_none_or(|(other, _)| timeline > *other) {
            best = Some((timeline, found));
        }
    }
    best.map(|(_, found)| found)
}

/// A server's name for logs.
fn name(options: &PgConnectOptions) -> String {
    let socket = options.get_socket().map(|socket| socket.display().to_string());
    let host = socket.unwrap_or_else(|| options.get_host().to_owned());
    format!("{host}:{}", options.get_port())
}

/// Points the pools at the server that takes writes, until they are closed.
pub(super) async fn follow(servers: Vec<PgConnectOptions>, mut current: usize, pools: [PgPool; 4]) {
    let mut session: Option<PgConnection> = None;
    let mut lost = false;
    while !pools[0].is_closed() {
        sleep(PAUSE).await;
        if let Some(connection) = &mut session
            && matches!(
                timeout(ACQUIRE_TIMEOUT, session::takes_writes(connection)).await,
                Ok(Ok(true))
            )
        {
            continue;
        }
        session = None;
        match find(&servers, Mode::Existing).await {
            Ok(Chosen { index, connection }) => {
                if index != current || lost {
                    tracing::warn!("writes go to the database's server {} now", name(&servers[index]));
                }
                if index != current {
                    for pool in &pools {
                        pool.set_connect_options(servers[index].clone());
                    }
                }
                (current, lost, session) = (index, false, Some(connection));
            }
            Err(error) => {
                if !lost {
                    tracing::warn!(%error, "no server of the database takes writes; looking on");
                }
                lost = true;
            }
        }
    }
}
