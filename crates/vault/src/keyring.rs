//! Data keys in memory: the most recently used ones, unwrapped on their first use.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aggregates::{Position, SubjectId};
use lru::LruCache;

use sealing::{DataKey, KeyWrapper, SealError, WrappedKey};

/// A subject's data key, ready to be used.
#[derive(Clone)]
pub struct SubjectKey {
    /// The key.
    pub key: Arc<DataKey>,
    /// It seals only events after this position; earlier ones were sealed under a destroyed key.
    pub since: Position,
}

enum Entry {
    Wrapped(Arc<[u8]>),
    Ready(Arc<DataKey>),
}

struct Slot {
    entry: Entry,
    since: Position,
}

struct Keys {
    held: LruCache<SubjectId, Slot>,
    /// The last erasure of each subject that this process knows of: a key that was read before and inserted late is
    /// refused.
    erased: HashMap<SubjectId, Position>,
}

impl Keys {
    fn is_destroyed(&self, subject: &SubjectId, since: Position) -> bool {
        self.erased.get(subject).is_some_and(|erased| since < *erased)
    }
}

/// Data keys in memory.
pub struct Keyring {
    wrapper: Arc<dyn KeyWrapper>,
    keys: Mutex<Keys>,
}

impl Keyring {
    /// An empty keyring with room for so many keys.
    pub fn new(wrapper: Arc<dyn KeyWrapper>, capacity: NonZeroUsize) -> Self {
        Self {
            wrapper,
            keys: Mutex::new(Keys {
                held: LruCache::new(capacity),
                erased: HashMap::new(),
            }),
        }
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        // every change is one call, so a panic elsewhere leaves the maps consistent
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a subject's key is in memory.
    pub fn contains(&self, subject: &SubjectId) -> bool {
        self.keys().held.contains(subject)
    }

    /// A subject's key, if it is in memory.
    ///
    /// # Errors
    /// As [`KeyWrapper::unwrap`], on its first use; then it stays wrapped.
    pub fn get(&self, subject: &SubjectId) -> Result<Option<SubjectKey>, SealError> {
        let (wrapped, since) = match self.keys().held.get(subject) {
            None => return Ok(None),
            Some(Slot { entry, since }) => match entry {
                Entry::Ready(key) => {
                    let (key, since) = (Arc::clone(key), *since);
                    return Ok(Some(SubjectKey { key, since }));
                }
                Entry::Wrapped(wrapped) => (Arc::clone(wrapped), *since),
            },
        };
        // without the lock, so that other callers do not wait
        let key = Arc::new(self.wrapper.unwrap(subject, &wrapped)?);
        // a key that was removed meanwhile must not return
        if let Some(held) = self.keys().held.get_mut(subject)
            && held.since == since
            && matches!(held.entry, Entry::Wrapped(_))
        {
            held.entry = Entry::Ready(Arc::clone(&key));
        }
        Ok(Some(SubjectKey { key, since }))
    }

    /// Adds a stored key. A key in memory stays, unless the stored one is newer.
    pub fn insert_wrapped(&self, stored: WrappedKey) {
        let WrappedKey {
            subject,
            wrapped,
            since,
        } = stored;
        let mut keys = self.keys();
        let is_newer = keys.held.peek(&subject).is_none_or(|held| held.since < since);
        if is_newer && !keys.is_destroyed(&subject, since) {
            let entry = Entry::Wrapped(wrapped.into());
            keys.held.put(subject, Slot { entry, since });
        }
    }

    /// Adds a key that was just stored.
    pub fn insert(&self, subject: SubjectId, SubjectKey { key, since }: SubjectKey) {
        let mut keys = self.keys();
        if !keys.is_destroyed(&subject, since) {
            let entry = Entry::Ready(key);
            keys.held.put(subject, Slot { entry, since });
        }
    }

    /// Creates a key for a subject: the key, and its wrapped form to be stored. It is added by [`Self::insert`], once
    /// it is durable.
    ///
    /// # Errors
    /// As [`KeyWrapper::wrap`].
    pub fn create(&self, subject: &SubjectId) -> Result<(Arc<DataKey>, Vec<u8>), SealError> {
        let key = DataKey::generate();
        let wrapped = self.wrapper.wrap(subject, &key)?;
        Ok((Arc::new(key), wrapped))
    }

    /// Removes a subject's key, e.g. because it was rewrapped: it is read again when needed.
    pub fn forget(&self, subject: &SubjectId) {
        self.keys().held.pop(subject);
    }

    /// Removes the key of a subject that was erased at this position, for good. It is wiped when its last user drops
    /// it.
    pub fn erase(&self, subject: &SubjectId, position: Position) {
        let mut keys = self.keys();
        let erased = keys.erased.entry(subject.clone()).or_default();
        *erased = position.max(*erased);
        if keys.held.peek(subject).is_some_and(|held| held.since < position) {
            keys.held.pop(subject);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealing::{Fingerprint, FingerprintKey, KeyMaterial, MasterKey, MasterKeyId};

    fn keyring(capacity: usize) -> Keyring {
        Keyring::new(
            Arc::new(MasterKey::new(&KeyMaterial::generate())),
            NonZeroUsize::new(capacity).unwrap(),
        )
    }

    /// Equal for equal keys.
    fn same(key: &DataKey) -> Fingerprint {
        FingerprintKey::new(key).of(b"")
    }

    fn subject(name: &str) -> SubjectId {
        SubjectId::parse(name).unwrap()
    }

    fn stored(name: &str, wrapped: &[u8], since: u64) -> WrappedKey {
        WrappedKey {
            subject: subject(name),
            wrapped: wrapped.to_vec(),
            since: Position(since),
        }
    }

    fn ready(key: Arc<DataKey>) -> SubjectKey {
        let since = Position(0);
        SubjectKey { key, since }
    }

    #[test]
    fn a_key_is_here_only_once_it_was_taken_in() {
        let keyring = keyring(2);
        let (key, _) = keyring.create(&subject("U1")).unwrap();
        assert!(keyring.get(&subject("U1")).unwrap().is_none() && !keyring.contains(&subject("U1")));
        keyring.insert(subject("U1"), ready(Arc::clone(&key)));
        assert!(Arc::ptr_eq(&keyring.get(&subject("U1")).unwrap().unwrap().key, &key));
    }

    #[test]
    fn a_wrapped_key_is_unwrapped_once() {
        let keyring = keyring(2);
        let (key, wrapped) = keyring.create(&subject("U1")).unwrap();
        keyring.insert_wrapped(stored("U1", &wrapped, 0));
        let first = keyring.get(&subject("U1")).unwrap().unwrap();
        assert_eq!(same(&first.key), same(&key));
        keyring.insert_wrapped(stored("U1", &wrapped, 0));
        assert!(Arc::ptr_eq(
            &keyring.get(&subject("U1")).unwrap().unwrap().key,
            &first.key
        ));
    }

    #[test]
    fn another_subjects_wrapped_key_is_refused() {
        let keyring = keyring(2);
        let (_, wrapped) = keyring.create(&subject("U1")).unwrap();
        keyring.insert_wrapped(stored("U2", &wrapped, 0));
        assert!(matches!(keyring.get(&subject("U2")), Err(SealError::Tampered)));
    }

    #[test]
    fn the_key_that_was_not_used_for_longest_makes_room() {
        let keyring = keyring(2);
        for name in ["U1", "U2"] {
            keyring.insert(subject(name), ready(Arc::new(DataKey::generate())));
        }
        assert!(keyring.get(&subject("U1")).unwrap().is_some());
        keyring.insert(subject("U3"), ready(Arc::new(DataKey::generate())));
        assert!(keyring.contains(&subject("U1")) && !keyring.contains(&subject("U2")));
    }

    /// Removes the key from the keyring while it is being unwrapped.
    struct ErasedMeanwhile {
        master: MasterKey,
        keyring: std::sync::OnceLock<std::sync::Weak<Keyring>>,
    }

    impl KeyWrapper for ErasedMeanwhile {
        fn id(&self) -> MasterKeyId {
            self.master.id()
        }

        fn wrap(&self, subject: &SubjectId, key: &DataKey) -> Result<Vec<u8>, SealError> {
            self.master.wrap(subject, key)
        }

        fn unwrap(&self, subject: &SubjectId, wrapped: &[u8]) -> Result<DataKey, SealError> {
            self.keyring
                .get()
                .and_then(std::sync::Weak::upgrade)
                .unwrap()
                .erase(subject, Position(7));
            self.master.unwrap(subject, wrapped)
        }
    }

    #[test]
    fn a_key_that_was_removed_while_it_was_unwrapped_does_not_come_back() {
        let wrapper = Arc::new(ErasedMeanwhile {
            master: MasterKey::new(&KeyMaterial::generate()),
            keyring: std::sync::OnceLock::new(),
        });
        let shared: Arc<dyn KeyWrapper> = wrapper.clone();
        let keyring = Arc::new(Keyring::new(shared, NonZeroUsize::MIN));
        wrapper.keyring.set(Arc::downgrade(&keyring)).unwrap();
        let (_, wrapped) = keyring.create(&subject("U1")).unwrap();
        keyring.insert_wrapped(stored("U1", &wrapped, 0));
        assert!(keyring.get(&subject("U1")).is_ok());
        assert!(!keyring.contains(&subject("U1")));
    }

    #[test]
    fn a_key_from_before_the_erasure_does_not_come_back_and_a_later_one_is_taken_in() {
        let keyring = keyring(2);
        let (_, old) = keyring.create(&subject("U1")).unwrap();
        let (new_key, new) = keyring.create(&subject("U1")).unwrap();
        keyring.insert_wrapped(stored("U1", &old, 0));
        keyring.erase(&subject("U1"), Position(7));
        // read before the erasure, and inserted after it
        keyring.insert_wrapped(stored("U1", &old, 0));
        assert!(keyring.get(&subject("U1")).unwrap().is_none());
        keyring.insert_wrapped(stored("U1", &new, 7));
        let found = keyring.get(&subject("U1")).unwrap().unwrap();
        assert_eq!((same(&found.key), found.since), (same(&new_key), Position(7)));
        // the same erasure, reported again
        keyring.erase(&subject("U1"), Position(7));
        assert!(keyring.contains(&subject("U1")));
    }

    #[test]
    fn a_stored_key_replaces_the_one_from_before_an_erasure_that_this_process_has_not_heard_of() {
        let keyring = keyring(2);
        let (_, old) = keyring.create(&subject("U1")).unwrap();
        let (new_key, new) = keyring.create(&subject("U1")).unwrap();
        keyring.insert_wrapped(stored("U1", &old, 0));
        keyring.insert_wrapped(stored("U1", &new, 7));
        assert_eq!(same(&keyring.get(&subject("U1")).unwrap().unwrap().key), same(&new_key));
    }
}
