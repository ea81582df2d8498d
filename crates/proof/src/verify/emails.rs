//! The hashes of e-mail addresses, against the personal sections that they are made of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aggregates::{Position, SubjectId};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Finding, FindingKind, Report, VerifyError};
use ledger::email::of_event;
use ledger::{OpenError, Reader};
use sealing::SealError;
use store::{EventQuery, Parts, Store, StoreError, StoredEvent};
use vault::{MasterKeySource, Vault, VaultError};

/// Positions whose hashes are read at once: each read scans the whole table.
const BLOCK: u64 = 1 << 17;
/// Events opened at once.
const PAGE: u32 = 1_000;
/// A live service erases meanwhile: what differs is looked at again after this time.
const PAUSE: Duration = Duration::from_millis(500);

/// The stored hashes of some events, with the subject of each: a hash may stand there twice.
type Stored = BTreeMap<u64, Vec<(i64, String)>>;

/// Compares the stored hashes of the events up to `head`; only warns if the keys are not available.
pub(super) async fn check(
    store: &Arc<dyn Store>,
    head: u64,
    source: Option<&Arc<dyn MasterKeySource>>,
    report: &mut Report,
    stop: &CancellationToken,
) -> Result<(), VerifyError> {
    match compare(store, head, source, report, stop).await {
        Err(VerifyError::Store(error)) if error.is_missing_table() => {
            let detail = format!("a table was removed, and nothing was compared with it: {error}");
            report.add(Finding::new(FindingKind::Table, None, detail));
            Ok(())
        }
        Err(VerifyError::Store(StoreError::Corrupt(error))) => {
            let detail = format!("email_refs or emails_after cannot be read: {error}");
            report.add(Finding::new(FindingKind::References, None, detail));
            Ok(())
        }
        compared => compared,
    }
}

async fn compare(
    store: &Arc<dyn Store>,
    head: u64,
    source: Option<&Arc<dyn MasterKeySource>>,
    report: &mut Report,
    stop: &CancellationToken,
) -> Result<(), VerifyError> {
    report.add_all(outside(&**store, head).await?);
    let Position(after) = store.emails_after().await?;
    if after > head {
        let detail = format!(
            "events up to position {after} are said to have no hashes of addresses, and the log ends at {head}"
        );
        report.add(Finding::new(FindingKind::References, None, detail));
    }
    let opened = match source {
        Some(source) => Vault::open_to_read(Arc::clone(source), &**store).await,
        None => Ok(None),
    };
    let vault = match opened {
        Ok(Some(vault)) => Arc::new(vault),
        // a ledger without a key has nothing sealed; that one is missing is reported by the data keys
        Ok(None) if source.is_some() => return Ok(()),
        Ok(None) => {
            not_compared(report, "nothing says where the master key is");
            return Ok(());
        }
        Err(vault::OpenVaultError::Store(error)) => return Err(error.into()),
        Err(error) => {
            not_compared(report, &error.to_string());
            return Ok(());
        }
    };
    let reader = Reader::new(Arc::clone(store), Arc::clone(&vault));
    let mut differ: BTreeSet<u64> = BTreeSet::new();
    let mut from = after;
    while from < head {
        let until = (from + BLOCK).min(head);
        let mut stored = read(&**store, from + 1, until).await?;
        let mut at = from;
        while at < until {
            if stop.is_cancelled() {
                return Err(VerifyError::Cancelled);
            }
            let end = (at + u64::from(PAGE)).min(until);
            let query = EventQuery {
                after: Position(at),
                until: Some(Position(end)),
                limit: PAGE,
                parts: Parts::Personal,
                ..EventQuery::default()
            };
            let events = readable(store.events(&query).await)?;
            reader.fetch_keys(&events).await?;
            for event in events {
                let own = stored.remove(&event.position.0).unwrap_or_default();
                if difference(&reader, &event, own).await?.is_some() {
                    differ.insert(event.position.0);
                }
            }
            at = end;
        }
        // of rows that are missing or cannot be read, which are reported by their leaves
        from = until;
    }
    if differ.is_empty() {
        return Ok(());
    }
    sleep(PAUSE).await;
    let (first, last) = (differ.first().copied(), differ.last().copied());
    let mut stored = read(&**store, first.unwrap_or_default(), last.unwrap_or_default()).await?;
    let positions: Vec<Position> = differ.into_iter().map(Position).collect();
    for page in positions.chunks(PAGE as usize) {
        let events = readable(store.events_at(page).await)?;
        let subjects: BTreeSet<SubjectId> = events.iter().map(|event| event.subject.clone()).collect();
        subjects.iter().for_each(|subject| vault.keyring().forget(subject));
        reader.fetch_keys(&events).await?;
        for event in events {
            let own = stored.remove(&event.position.0).unwrap_or_default();
            report.add_all(difference(&reader, &event, own).await?);
        }
    }
    Ok(())
}

fn not_compared(report: &mut Report, reason: &str) {
    report.warnings.push(format!(
        "the hashes of e-mail addresses were not compared with the sealed sections ({reason})"
    ));
}

/// Events; none if one of them cannot be read, which its leaf tells.
fn readable(events: Result<Vec<StoredEvent>, StoreError>) -> Result<Vec<StoredEvent>, StoreError> {
    match events {
        Err(StoreError::Corrupt(_)) => Ok(Vec::new()),
        events => events,
    }
}

async fn read(store: &dyn Store, first: u64, last: u64) -> Result<Stored, StoreError> {
    let signed = |position: u64| i64::try_from(position).unwrap_or(i64::MAX);
    let mut stored = Stored::new();
    for (position, hash, subject) in store.email_refs(signed(first)..signed(last + 1)).await? {
        stored
            .entry(position.unsigned_abs())
            .or_default()
            .push((hash.0, subject));
    }
    Ok(stored)
}

/// What is wrong with the stored hashes of an event.
async fn difference(
    reader: &Reader,
    event: &StoredEvent,
    mut stored: Vec<(i64, String)>,
) -> Result<Option<Finding>, StoreError> {
    let expected = match of_event(reader, event).await {
        Ok(rows) => rows,
        // its leaf tells that it was altered, and the data keys which of them cannot be opened
        Err(OpenError::Vault(VaultError::Seal(SealError::Tampered | SealError::Corrupt))) => return Ok(None),
        Err(OpenError::Store(StoreError::Corrupt(_))) => return Ok(None),
        Err(OpenError::Store(error)) => return Err(error),
        Err(_) => return Ok(None),
    };
    let mut expected: Vec<(i64, String)> = expected
        .into_iter()
        .map(|row| (row.hash.0, row.subject.into()))
        .collect();
    expected.sort_unstable();
    stored.sort_unstable();
    if stored == expected {
        return Ok(None);
    }
    let added = stored.len() > expected.len() || stored.iter().any(|row| !expected.contains(row));
    let detail = match added {
        _ if expected.is_empty() => {
            "hashes of e-mail addresses lead to it although nothing personal can be opened in it: they were put in, or not removed with \
             its key"
        }
        true => "hashes of e-mail addresses lead to it that are not of its addresses: they were put in",
        false => {
            "hashes of e-mail addresses by which it is found are missing: they were removed; `warmledger subjects reindex` makes \
             them anew"
        }
    };
    let position = event.position.0;
    Ok(Some(Finding::new(
        FindingKind::References,
        (position, position),
        detail,
    )))
}

/// Hashes that lead to no event: before the first or after the last one.
async fn outside(store: &dyn Store, head: u64) -> Result<Vec<Finding>, StoreError> {
    let first = i64::try_from(head).unwrap_or(i64::MAX).saturating_add(1);
    let before = store.email_refs(i64::MIN..1).await?;
    let behind = store.email_refs(first..i64::MAX).await?;
    // later appends have hashes of their own
    let Position(end) = store.head().await.map_or(Position(head), |head| head.position);
    let positions = before.into_iter().chain(behind).map(|(position, ..)| position);
    let strays = positions.filter(|position| u64::try_from(*position).is_ok_and(|at| at > end) || *position < 1);
    let stray = |position| {
        let detail =
            format!("a hash of an e-mail address leads to position {position}, where there is no event: it was put in");
        Finding::new(FindingKind::References, None, detail)
    };
    Ok(strays.map(stray).collect())
}
