//! Making the hashes of addresses anew, from the sealed sections.

use aggregates::Position;
use tokio_util::sync::CancellationToken;

use crate::address::hashes;
use crate::{OpenError, Reader};
use sealing::SealError;
use store::{EmailRef, EventQuery, Parts, Store, StoredEvent};
use vault::VaultError;

/// Events opened at once.
const PAGE: u64 = 500;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reindexed {
    /// Hashes made.
    pub hashes: u64,
    /// Events whose section could not be opened, since it was altered: `verify` tells which.
    pub unopened: u64,
}

/// Makes the hashes of all events that lack them, from the newest such event to the first, and keeps what is done: if it
/// is stopped, the next call goes on. Several processes may do it at once. `progress` gets the position down to which
/// there is still something to do.
///
/// # Errors
/// [`OpenError`] if the store fails or a key cannot be opened.
pub async fn complete(
    store: &dyn Store,
    reader: &Reader,
    mut progress: impl FnMut(Position),
    stop: &CancellationToken,
) -> Result<Reindexed, OpenError> {
    let mut done = Reindexed::default();
    loop {
        let until = store.emails_after().await?;
        progress(until);
        if until == Position(0) || stop.is_cancelled() {
            return Ok(done);
        }
        let from = Position(until.0.saturating_sub(PAGE));
        let query = EventQuery {
            after: from,
            until: Some(until),
            limit: PAGE as u32,
            parts: Parts::Personal,
            ..EventQuery::default()
        };
        let (mut rows, mut unopened) = (Vec::new(), 0);
        let events = store.events(&query).await?;
        reader.fetch_keys(&events).await?;
        for event in events {
            match of_event(reader, &event).await {
                Ok(found) => rows.extend(found),
                Err(OpenError::Vault(VaultError::Seal(SealError::Tampered | SealError::Corrupt))) => unopened += 1,
                Err(error) => return Err(error),
            }
        }
        if store.add_emails(from, until, &rows).await? {
            done.hashes += rows.len() as u64;
            done.unopened += unopened;
        }
    }
}

/// The rows of an event that was read with its sealed sections; none once it is erased.
///
/// # Errors
/// [`OpenError`] if the section cannot be opened for another reason.
pub async fn of_event(reader: &Reader, event: &StoredEvent) -> Result<Vec<EmailRef>, OpenError> {
    let plain = match reader.personal(event).await {
        Ok(Some(plain)) => plain,
        Ok(None) | Err(OpenError::Erased) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let row = |hash| EmailRef {
        position: event.position,
        hash,
        subject: event.subject.clone(),
    };
    let recorded = event.to_recorded()?;
    let hashes = recorded
        .order()
        .map(|order| hashes(plain.expose(), order, reader.fingerprints()));
    Ok(hashes.into_iter().flatten().map(row).collect())
}
