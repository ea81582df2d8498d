//! Reading events back and opening their sealed sections.

use std::collections::BTreeSet;
use std::sync::Arc;

use aggregates::SubjectId;

use super::incoming::prefix;
use super::original::Original;
use crate::sections::{Parts, Person, Personal, Spelling, section};
use sealing::{Context, DataKey, FingerprintKey, SealError, Section};
use secret::Secret;
use store::{Lookup, Store, StoreError, StoredEvent};
use vault::{Vault, VaultError};

/// Why a sealed section cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The subject's data key is gone: it was erased.
    #[error("the subject was erased")]
    Erased,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The section was altered, or the key does not fit.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl From<SealError> for OpenError {
    fn from(error: SealError) -> Self {
        Self::Vault(error.into())
    }
}

/// Opens sealed sections.
#[derive(Clone)]
pub struct Reader {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
}

impl Reader {
    /// A reader of this store with the keys of this vault.
    pub fn new(store: Arc<dyn Store>, vault: Arc<Vault>) -> Self {
        Self { store, vault }
    }

    /// Reads the data keys of many events into memory at once.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub async fn fetch_keys(&self, events: &[StoredEvent]) -> Result<(), StoreError> {
        let subjects: BTreeSet<&SubjectId> = events.iter().map(|event| &event.subject).collect();
        let mut unknown = Vec::new();
        for subject in subjects {
            if !self.vault.keyring().get(subject).is_ok_and(|key| key.is_some()) {
                unknown.push(subject.clone());
            }
        }
        self.vault.fetch(&*self.store, unknown).await
    }

    /// The key that hashes e-mail addresses.
    pub fn fingerprints(&self) -> &FingerprintKey {
        self.vault.fingerprints()
    }

    /// The personal data in an event that was read with its sealed sections, as JSON; none if it has none.
    ///
    /// # Errors
    /// [`OpenError`], [`OpenError::Erased`] in particular once the subject is erased.
    pub async fn personal(&self, event: &StoredEvent) -> Result<Option<Secret<Vec<u8>>>, OpenError> {
        open(&*self.store, &self.vault, event, Section::Personal).await
    }

    /// Whom the mailboxes of an event that was read with its sealed sections belong to, in the order of its facts; none
    /// if it has no personal section.
    ///
    /// # Errors
    /// As [`Self::personal`].
    pub async fn people(&self, event: &StoredEvent) -> Result<Option<Vec<Person>>, OpenError> {
        let Some(plain) = self.personal(event).await? else {
            return Ok(None);
        };
        let personal: Personal<'_> = section(Some(plain.expose())).ok_or(SealError::Corrupt)?;
        Ok(Some(personal.mailboxes.into_iter().map(Person::from).collect()))
    }

    /// The address of the user in an event that was read with its sealed sections; none if it has none.
    ///
    /// # Errors
    /// As [`Self::personal`].
    pub async fn user_email(&self, event: &StoredEvent) -> Result<Option<String>, OpenError> {
        let Some(plain) = self.personal(event).await? else {
            return Ok(None);
        };
        let personal: Personal<'_> = section(Some(plain.expose())).ok_or(SealError::Corrupt)?;
        Ok(personal.user_email.map(|email| email.unescaped().into_owned()))
    }

    /// The credentials in an event that was read with its sealed sections, as JSON; none if it has none.
    ///
    /// # Errors
    /// As [`Self::personal`].
    pub async fn secrets(&self, event: &StoredEvent) -> Result<Option<Secret<Vec<u8>>>, OpenError> {
        open(&*self.store, &self.vault, event, Section::Secrets).await
    }

    /// Whether the event's sealed sections were erased, so that no process can open them.
    ///
    /// # Errors
    /// [`OpenError`], never [`OpenError::Erased`].
    pub async fn is_erased(&self, event: &StoredEvent) -> Result<bool, OpenError> {
        match data_key(&*self.store, &self.vault, event).await {
            Ok(_) => Ok(false),
            Err(OpenError::Erased) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The exact webhook of an event that was read with its sealed sections.
    ///
    /// # Errors
    /// As [`Self::personal`].
    pub async fn original(&self, event: &StoredEvent) -> Result<Original, OpenError> {
        open_original(&*self.store, &self.vault, event).await
    }
}

async fn data_key(store: &dyn Store, vault: &Vault, event: &StoredEvent) -> Result<Arc<DataKey>, OpenError> {
    let found = match vault.key(&event.subject).await? {
        Some(found) => found,
        None => {
            let lookup = Lookup {
                subjects: vec![event.subject.clone()],
                ..Lookup::default()
            };
            for key in store.lookup(&lookup).await?.keys {
                vault.keyring().insert_wrapped(key);
            }
            vault.key(&event.subject).await?.ok_or(OpenError::Erased)?
        }
    };
    // the subject got a new key after the erasure, for later events
    if event.position <= found.since {
        return Err(OpenError::Erased);
    }
    Ok(found.key)
}

fn context(event: &StoredEvent, section: Section) -> Context<'_> {
    Context {
        stream: &event.stream,
        event_id: &event.event_id,
        section,
        schema_version: event.schema_version,
    }
}

async fn open(
    store: &dyn Store,
    vault: &Vault,
    event: &StoredEvent,
    section: Section,
) -> Result<Option<Secret<Vec<u8>>>, OpenError> {
    let Some(sealed) = event.sealed.get(section) else {
        return Ok(None);
    };
    let key = data_key(store, vault, event).await?;
    Ok(Some(key.open(&context(event, section), sealed, &[])?))
}

/// The exact webhook of an event. The other sections are opened first: the original is compressed against them and the
/// facts, or spelled from them.
pub(super) async fn open_original(
    store: &dyn Store,
    vault: &Vault,
    event: &StoredEvent,
) -> Result<Original, OpenError> {
    let personal = open(store, vault, event, Section::Personal).await?;
    let secrets = open(store, vault, event, Section::Secrets).await?;
    let sealed = event.sealed.original.as_ref().ok_or(SealError::Corrupt)?;
    let key = data_key(store, vault, event).await?;
    let personal = personal.as_ref().map(|plain| plain.expose().as_slice());
    let secrets = secrets.as_ref().map(|plain| plain.expose().as_slice());
    let prefix = prefix(personal, secrets, &event.facts);
    let plain = key.open(&context(event, Section::Original), sealed, &prefix)?;
    let spell = |spelling: Spelling| {
        let recorded = event.to_recorded().ok()?;
        let parts = Parts::of_stored(
            &event.event_id,
            recorded.event.as_order()?,
            &event.facts,
            personal,
            secrets,
        )?;
        spelling.body(&parts)
    };
    Ok(Original::decode(plain.expose(), spell).ok_or(SealError::Corrupt)?)
}
