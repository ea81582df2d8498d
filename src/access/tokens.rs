//! Whose token it is. What the store says is believed for some seconds, so that a revocation is felt soon in every
//! process and no call waits for a query that the one before has made.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aggregates::Actor;
use jiff::{SignedDuration, Timestamp};
use lru::LruCache;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio_util::task::TaskTracker;

use super::{Scopes, TokenHash};
use secret::Secret;
use store::clock;
use store::{Store, StoreError, StoredToken};

/// For how long the store's word is believed.
pub(crate) const BELIEVED: Duration = Duration::from_secs(2);
/// How many tokens are remembered. Checked by the compiler: a zero would not build.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// When a token was last used is noted this coarsely.
const NOTED_EVERY: SignedDuration = SignedDuration::from_mins(10);

/// Who holds a token, and what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who it is.
    pub actor: Actor,
    /// What they may do.
    pub scopes: Scopes,
    /// The token, which may be revoked or expire; none for the admin's of the settings.
    pub token: Option<TokenHash>,
}

/// Why a token is no good. The text of all but the last is safe to tell: whoever holds the token knows as much.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// There is no such token.
    #[error("the token is not known")]
    Unknown,
    /// It was revoked.
    #[error("the token was revoked")]
    Revoked(Actor),
    /// It was good until then.
    #[error("the token expired at {0}")]
    Expired(Timestamp, Actor),
    /// The store could not tell.
    #[error(transparent)]
    Store(#[from] StoreError),
}

type Known = (Instant, Option<Arc<StoredToken>>);

/// All tokens: the admin's from the settings, and those in the store.
pub struct Tokens {
    store: Arc<dyn Store>,
    /// SHA-256 of the token that may do everything.
    admin: [u8; 32],
    known: Mutex<LruCache<TokenHash, Known>>,
    tasks: TaskTracker,
}

impl Tokens {
    /// The tokens of a store, and the admin's. That a token was used is noted by `tasks`.
    pub fn new(store: Arc<dyn Store>, admin: &Secret<String>, tasks: TaskTracker) -> Self {
        Self {
            store,
            admin: Sha256::digest(admin.expose()).into(),
            known: Mutex::new(LruCache::new(REMEMBERED)),
            tasks,
        }
    }

    /// Whose token it is.
    ///
    /// # Errors
    /// [`TokenError`] if it is nobody's, or no longer good.
    pub async fn identify(&self, token: &str) -> Result<Identity, TokenError> {
        // hashes are compared in constant time: neither the length nor a common start of the token shows
        if bool::from(Sha256::digest(token).ct_eq(&self.admin)) {
            return Ok(Identity {
                actor: Actor::admin(),
                scopes: Scopes::all(),
                token: None,
            });
        }
        let hash = TokenHash::of(token).ok_or(TokenError::Unknown)?;
        let stored = self.stored(hash, BELIEVED).await?;
        judge(hash, stored)
    }

    /// Whether a token is still good, by a word of the store that is no older than `fresh`.
    ///
    /// # Errors
    /// As [`Self::identify`].
    pub(super) async fn is_good(&self, hash: TokenHash, fresh: Duration) -> Result<(), TokenError> {
        let stored = self.stored(hash, fresh).await?;
        judge(hash, stored).map(drop)
    }

    async fn stored(&self, hash: TokenHash, believed: Duration) -> Result<Option<Arc<StoredToken>>, StoreError> {
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((asked, token)) = known.get(&hash)
                && asked.elapsed() < believed
            {
                return Ok(token.clone());
            }
        }
        let asked = Instant::now();
        let found = self.store.token_by_hash(&hash).await?.map(Arc::new);
        if let Some(token) = &found {
            self.note_used(token);
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.put(hash, (asked, found.clone()));
        Ok(found)
    }

    /// Forgets what is remembered: a token was revoked here.
    pub fn forget(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Notes that it was used, unless that was noted lately.
    fn note_used(&self, token: &StoredToken) {
        let now = clock::now();
        let lately = |at: Timestamp| now.duration_since(at) < NOTED_EVERY;
        if token.revoked_at.is_some() || token.last_used_at.is_some_and(lately) {
            return;
        }
        let (store, id) = (Arc::clone(&self.store), token.id.clone());
        self.tasks.spawn(async move {
            if let Err(error) = store.token_used(&id, now).await {
                tracing::warn!(%error, token = %id, "that a token was used could not be noted");
            }
        });
    }
}

/// Whose token it is by what the store says of it.
fn judge(hash: TokenHash, stored: Option<Arc<StoredToken>>) -> Result<Identity, TokenError> {
    let stored = stored.ok_or(TokenError::Unknown)?;
    let actor = Actor::token(&stored.id, &stored.name);
    if stored.revoked_at.is_some() {
        return Err(TokenError::Revoked(actor));
    }
    if let Some(expiry) = stored.expires_at.filter(|expiry| *expiry <= clock::now()) {
        return Err(TokenError::Expired(expiry, actor));
    }
    Ok(Identity {
        actor,
        scopes: stored.scopes.clone(),
        token: Some(hash),
    })
}
