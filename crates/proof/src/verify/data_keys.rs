//! The data keys themselves: which subjects have one, and, if the master keys are available, whether each can be
//! opened. A wrapped key is bound to its subject, so an altered or swapped one cannot.

use std::sync::Arc;

use aggregates::SubjectId;

use super::{Finding, FindingKind, LISTED, Report};
use sealing::{KeyWrapper, SealError, WRAPPED_KEY, WrappedKey};
use store::{EventFilter, EventQuery, Lookup, Parts, Store, StoreError};
use vault::{MasterKeySource, MasterKeys};

/// Keys read at once.
const PAGE: u32 = 1_000;
/// At most so many data keys of a wrong length, or without an event of their subject, are reported.
const TOLD: u32 = 100;

/// Data keys of a wrong length: no master key is needed to tell that they cannot be opened.
pub(super) async fn misshapen(store: &dyn Store) -> Result<Vec<Finding>, StoreError> {
    let subjects = store.misshapen_keys(TOLD).await?.into_iter();
    let findings = subjects.map(|subject| {
        let detail = format!(
            "the data key of subject {subject} does not have the length of one, it was cut or extended: nothing of it can be \
             opened"
        );
        Finding::new(FindingKind::Key, None, detail)
    });
    Ok(findings.collect())
}

/// Data keys of subjects without an event.
pub(super) async fn unnamed(store: &dyn Store) -> Result<Vec<Finding>, StoreError> {
    let subjects = store.unnamed_keys(TOLD).await?.into_iter();
    let findings = subjects.map(|subject| {
        let detail = format!("subject {subject} has a data key, and no event names it: the key was put in");
        Finding::new(FindingKind::Key, None, detail)
    });
    Ok(findings.collect())
}

/// Opens every data key and reports those that cannot be opened; only warns if the master key is not available.
pub(super) async fn open_all(
    store: &dyn Store,
    source: Option<&Arc<dyn MasterKeySource>>,
    report: &mut Report,
) -> Result<(), StoreError> {
    if store.data_keys(None, 1).await?.is_empty() {
        return Ok(());
    }
    let masters = match source {
        Some(source) => at_hand(store, source).await?,
        None => Err("nothing says where it is".to_owned()),
    };
    let masters = match masters {
        Ok(masters) => masters,
        Err(reason) => {
            report.warnings.push(format!(
                "the data keys were not opened, since their master key is not at hand ({reason}): that each is the right one \
                 was not checked"
            ));
            return Ok(());
        }
    };
    let mut after = None;
    loop {
        let page = store.data_keys(after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.subject.clone());
        let mut closed = closed(&masters, page);
        if closed.is_empty() {
            continue;
        }
        // a live service goes on: keys may have been rewrapped or destroyed, and the source may have a new master key
        let subjects = closed.into_iter().map(|(key, _)| key.subject).collect();
        let lookup = Lookup {
            subjects,
            ..Lookup::default()
        };
        let again = store.lookup(&lookup).await?.keys;
        if let Err(error) = masters.refresh().await {
            tracing::debug!(%error, "the master keys cannot be read again");
        }
        closed = self::closed(&masters, again);
        for (key, error) in closed {
            let listed = report.findings.iter().filter(|known| known.kind == FindingKind::Key);
            let position = match listed.count() < LISTED {
                true => sealed_first(store, &key).await?,
                false => None,
            };
            let detail = format!("the data key of subject {} cannot be opened: {error}", key.subject);
            report.add(Finding::new(FindingKind::Key, position.map(|at| (at, at)), detail));
        }
    }
}

/// The master keys of a source, if the current one is among them; otherwise the reason.
async fn at_hand(
    store: &dyn Store,
    source: &Arc<dyn MasterKeySource>,
) -> Result<Result<MasterKeys, String>, StoreError> {
    // in this order: a new key is put in its source before the ledger names it
    let current = store.master_key().await?;
    let masters = match source.load().await {
        Ok(keys) => MasterKeys::new(Arc::clone(source), keys, current),
        Err(error) => Err(error),
    };
    Ok(masters.map_err(|error| error.to_string()))
}

/// The keys that cannot be opened, and why. Keys of a wrong length were already reported.
fn closed(masters: &MasterKeys, keys: Vec<WrappedKey>) -> Vec<(WrappedKey, SealError)> {
    let whole = keys.into_iter().filter(|key| key.wrapped.len() == WRAPPED_KEY);
    let closed = whole.filter_map(|key| {
        let error = masters.unwrap(&key.subject, &key.wrapped).err()?;
        Some((key, error))
    });
    closed.collect()
}

/// The first event sealed under a key, if it is among the first ones of its subject.
async fn sealed_first(store: &dyn Store, key: &WrappedKey) -> Result<Option<u64>, StoreError> {
    let query = EventQuery {
        after: key.since,
        limit: 100,
        parts: Parts::All,
        filter: EventFilter {
            subject: Some(SubjectId::clone(&key.subject)),
            ..EventFilter::default()
        },
        ..EventQuery::default()
    };
    let events = store.events(&query).await?;
    let sealed = events.iter().find(|event| event.sealed.original.is_some());
    Ok(sealed.map(|event| event.position.0))
}
