//! Data keys in memory: the most recently used ones, unwrapped on their first use.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aggregates::SubjectId;
use lru::LruCache;

use super::{DataKey, KeyWrapper, VaultError};

enum Entry {
    Wrapped(Arc<[u8]>),
    Ready(Arc<DataKey>),
}

/// Data keys in memory.
pub struct Keyring {
    wrapper: Arc<dyn KeyWrapper>,
    keys: Mutex<LruCache<SubjectId, Entry>>,
}

impl Keyring {
    /// An empty keyring that keeps so many keys.
    pub fn new(wrapper: Arc<dyn KeyWrapper>, capacity: NonZeroUsize) -> Self {
        Self {
            wrapper,
            keys: Mutex::new(LruCache::new(capacity)),
        }
    }

    fn keys(&self) -> MutexGuard<'_, LruCache<SubjectId, Entry>> {
        // every change is one call, so a panic elsewhere leaves the map whole
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a subject's key is here.
    pub fn contains(&self, subject: &SubjectId) -> bool {
        self.keys().contains(subject)
    }

    /// A subject's key, if it is here.
    ///
    /// # Errors
    /// As [`KeyWrapper::unwrap`], at its first use; it stays wrapped then.
    pub fn get(&self, subject: &SubjectId) -> Result<Option<Arc<DataKey>>, VaultError> {
        let wrapped = match self.keys().get(subject) {
            None => return Ok(None),
            Some(Entry::Ready(key)) => return Ok(Some(Arc::clone(key))),
            Some(Entry::Wrapped(wrapped)) => Arc::clone(wrapped),
        };
        // unlocked meanwhile: a wrapper may take its time
        let key = Arc::new(self.wrapper.unwrap(subject, &wrapped)?);
        // a key that was removed meanwhile must not come back
        if let Some(entry @ Entry::Wrapped(_)) = self.keys().get_mut(subject) {
            *entry = Entry::Ready(Arc::clone(&key));
        }
        Ok(Some(key))
    }

    /// Takes in a key as it is stored. One that is here already stays: a subject has one key, ever.
    pub fn insert_wrapped(&self, subject: SubjectId, wrapped: Vec<u8>) {
        self.keys().get_or_insert(subject, || Entry::Wrapped(wrapped.into()));
    }

    /// Takes in a key that has been stored.
    pub fn insert(&self, subject: SubjectId, key: Arc<DataKey>) {
        self.keys().put(subject, Entry::Ready(key));
    }

    /// Makes a key for a subject: the key, and its wrapped form to be stored. It is not taken in: that is for
    /// [`Self::insert`], once it is durable.
    ///
    /// # Errors
    /// As [`KeyWrapper::wrap`].
    pub fn create(&self, subject: &SubjectId) -> Result<(Arc<DataKey>, Vec<u8>), VaultError> {
        let key = DataKey::generate();
        let wrapped = self.wrapper.wrap(subject, &key)?;
        Ok((Arc::new(key), wrapped))
    }

    /// Forgets a subject's key, once it is erased from the store. It is wiped when the last one who uses it lets go.
    pub fn remove(&self, subject: &SubjectId) {
        self.keys().pop(subject);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::MasterKey;

    fn keyring(capacity: usize) -> Keyring {
        Keyring::new(Arc::new(MasterKey::generate()), NonZeroUsize::new(capacity).unwrap())
    }

    fn subject(name: &str) -> SubjectId {
        SubjectId::parse(name).unwrap()
    }

    #[test]
    fn a_key_is_here_only_once_it_was_taken_in() {
        let keyring = keyring(2);
        let (key, _) = keyring.create(&subject("U1")).unwrap();
        assert!(keyring.get(&subject("U1")).unwrap().is_none() && !keyring.contains(&subject("U1")));
        keyring.insert(subject("U1"), Arc::clone(&key));
        assert!(Arc::ptr_eq(&keyring.get(&subject("U1")).unwrap().unwrap(), &key));
    }

    #[test]
    fn a_wrapped_key_is_unwrapped_once() {
        let keyring = keyring(2);
        let (key, wrapped) = keyring.create(&subject("U1")).unwrap();
        keyring.insert_wrapped(subject("U1"), wrapped.clone());
        let first = keyring.get(&subject("U1")).unwrap().unwrap();
        assert_eq!(first.bytes(), key.bytes());
        keyring.insert_wrapped(subject("U1"), wrapped);
        assert!(Arc::ptr_eq(&keyring.get(&subject("U1")).unwrap().unwrap(), &first));
    }

    #[test]
    fn another_subjects_wrapped_key_is_refused() {
        let keyring = keyring(2);
        let (_, wrapped) = keyring.create(&subject("U1")).unwrap();
        keyring.insert_wrapped(subject("U2"), wrapped);
        assert!(matches!(keyring.get(&subject("U2")), Err(VaultError::Tampered)));
    }

    #[test]
    fn the_key_that_was_not_used_for_longest_makes_room() {
        let keyring = keyring(2);
        for name in ["U1", "U2"] {
            keyring.insert(subject(name), Arc::new(DataKey::generate()));
        }
        assert!(keyring.get(&subject("U1")).unwrap().is_some());
        keyring.insert(subject("U3"), Arc::new(DataKey::generate()));
        assert!(keyring.contains(&subject("U1")) && !keyring.contains(&subject("U2")));
    }

    /// Removes the key from the keyring while it is being unwrapped.
    struct ErasedMeanwhile {
        master: MasterKey,
        keyring: std::sync::OnceLock<std::sync::Weak<Keyring>>,
    }

    impl KeyWrapper for ErasedMeanwhile {
        fn id(&self) -> String {
            self.master.id()
        }

        fn wrap(&self, subject: &SubjectId, key: &DataKey) -> Result<Vec<u8>, VaultError> {
            self.master.wrap(subject, key)
        }

        fn unwrap(&self, subject: &SubjectId, wrapped: &[u8]) -> Result<DataKey, VaultError> {
            self.keyring
                .get()
                .and_then(std::sync::Weak::upgrade)
                .unwrap()
                .remove(subject);
            self.master.unwrap(subject, wrapped)
        }
    }

    #[test]
    fn a_key_that_was_removed_while_it_was_unwrapped_does_not_come_back() {
        let wrapper = Arc::new(ErasedMeanwhile {
            master: MasterKey::generate(),
            keyring: std::sync::OnceLock::new(),
        });
        let shared: Arc<dyn KeyWrapper> = wrapper.clone();
        let keyring = Arc::new(Keyring::new(shared, NonZeroUsize::MIN));
        wrapper.keyring.set(Arc::downgrade(&keyring)).unwrap();
        let (_, wrapped) = keyring.create(&subject("U1")).unwrap();
        keyring.insert_wrapped(subject("U1"), wrapped);
        assert!(keyring.get(&subject("U1")).is_ok());
        assert!(!keyring.contains(&subject("U1")));
    }
}
