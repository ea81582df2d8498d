//! The events with an e-mail address. Its hash is kept beside the log and the address only in sealed sections, so what a
//! hash leads to is opened and compared.
//!
//! - `reindex`: the hashes made anew, from the sections

mod reindex;

use std::collections::BTreeSet;

use aggregates::{OrderEvent, Position, StreamId, SubjectId};

use crate::address::has_references;
pub use crate::address::{EmailAddress, NotAnAddress};
use crate::sections::{Personal, Text, section};
use crate::{OpenError, Reader};
pub use reindex::{Reindexed, complete, of_event};
use sealing::{SealError, Whose};
use store::{Lookup, Reference, Store, StoredEvent};

/// Events with an address of a mailbox that are opened by one search at most, the newest first.
const MOST_EVENTS: u32 = 2_000;
/// Customers with one address that a search finds at most.
const MOST_CUSTOMERS: u32 = 1_000;
/// Events opened at once.
const PAGE: usize = 100;

/// Where an address was found.
#[derive(Default)]
pub struct Addressed {
    /// Whose own address it is: customers, or streams whose customer is not known.
    pub subjects: BTreeSet<SubjectId>,
    /// The events in which it is the address of mailboxes, newest first, with the places of these mailboxes among those
    /// of the event, from 0. Without sealed sections.
    pub events: Vec<(StoredEvent, Vec<u32>)>,
}

/// Why a search has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// Events of an earlier version have no hashes yet.
    #[error(
        "the events up to position {0} cannot be searched for e-mail addresses yet; `warmledger subjects reindex` makes that \
         possible, as a running service does by itself"
    )]
    NotYet(Position),
    /// There are more than a search opens.
    #[error("the address is in more than {MOST_EVENTS} events or of more than {MOST_CUSTOMERS} customers")]
    TooMany,
    /// A section cannot be opened, or the store failed.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl From<store::StoreError> for SearchError {
    fn from(error: store::StoreError) -> Self {
        Self::Open(error.into())
    }
}

/// Finds an address. What was erased is not found.
///
/// # Errors
/// [`SearchError`]; the answer is whole or there is none.
pub async fn find(store: &dyn Store, reader: &Reader, address: &EmailAddress) -> Result<Addressed, SearchError> {
    let without = store.emails_after().await?;
    if without > Position(0) {
        return Err(SearchError::NotYet(without));
    }
    let mut found = Addressed::default();
    let hash = |whose| reader.fingerprints().email(whose, address.text());
    let subjects = store
        .subjects_with_email(hash(Whose::Customer), MOST_CUSTOMERS + 1)
        .await?;
    let positions = store.with_email(hash(Whose::Mailbox), MOST_EVENTS + 1).await?;
    let mut positions: BTreeSet<Position> = positions.into_iter().map(|(position, _)| position).collect();
    positions.extend(of_domain(store, address).await?);
    if subjects.len() > MOST_CUSTOMERS as usize || positions.len() > MOST_EVENTS as usize {
        return Err(SearchError::TooMany);
    }
    let newest: Vec<Position> = subjects.into_iter().map(|(_, position)| position).collect();
    for page in newest.chunks(PAGE) {
        for event in store.events_at(page).await? {
            let own = opened(reader, &event, |personal| {
                personal.user_email.is_some_and(|own| address.is(&own.unescaped()))
            })
            .await?;
            if own == Some(true) {
                found.subjects.insert(event.subject);
            }
        }
    }
    let positions: Vec<Position> = positions.into_iter().rev().collect();
    for page in positions.chunks(PAGE) {
        let mut events = store.events_at(page).await?;
        events.reverse();
        for mut event in events {
            let places = opened(reader, &event, |personal| {
                let is_it = |email: Option<Text<'_>>| email.is_some_and(|email| address.is(&email.unescaped()));
                let mailboxes = (0..).zip(&personal.mailboxes);
                let its = mailboxes.filter(|(_, mailbox)| is_it(mailbox.email));
                its.map(|(place, _)| place).collect::<Vec<u32>>()
            });
            let places = places.await?.unwrap_or_default();
            if !places.is_empty() {
                event.sealed = store::SealedSections::default();
                found.events.push((event, places));
            }
        }
    }
    Ok(found)
}

/// The events with mailboxes of the address's domain, which need no hash.
async fn of_domain(store: &dyn Store, address: &EmailAddress) -> Result<Vec<Position>, SearchError> {
    let Some(domain) = address.domain() else {
        return Ok(Vec::new());
    };
    let lookup = Lookup {
        references: Reference::domain_spellings(&domain).collect(),
        ..Lookup::default()
    };
    let found = store.lookup(&lookup).await?.references;
    let streams: BTreeSet<StreamId> = found.into_iter().map(|(_, stream)| stream).collect();
    let streams: Vec<StreamId> = streams.into_iter().collect();
    let mut positions = Vec::new();
    for event in store.streams(&streams).await? {
        let recorded = event.to_recorded()?;
        let names_it = |order: &OrderEvent| has_references(order) && order.domains().contains(&&domain);
        if recorded.order().is_some_and(names_it) {
            positions.push(event.position);
        }
    }
    Ok(positions)
}

/// What is wanted of an event's personal section; none once it is erased.
async fn opened<T>(
    reader: &Reader,
    event: &StoredEvent,
    wanted: impl FnOnce(&Personal<'_>) -> T,
) -> Result<Option<T>, OpenError> {
    let plain = match reader.personal(event).await {
        Ok(Some(plain)) => plain,
        Ok(None) | Err(OpenError::Erased) => return Ok(None),
        Err(error) => return Err(error),
    };
    let personal: Personal<'_> = section(Some(plain.expose())).ok_or(SealError::Corrupt)?;
    Ok(Some(wanted(&personal)))
}
