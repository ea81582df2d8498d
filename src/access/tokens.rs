//! Looks up tokens. Rows are cached for some seconds, so that a revocation takes effect soon in every process and most
//! calls need no query.

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

/// How long a cached row is used.
pub(crate) const BELIEVED: Duration = Duration::from_secs(2);
/// The most cached tokens. Checked by the compiler: a zero would not build.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// The least time between two updates of a token's last use.
const NOTED_EVERY: SignedDuration = SignedDuration::from_mins(10);

/// The owner of a token, and their scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The actor that events name.
    pub actor: Actor,
    /// What they may do.
    pub scopes: Scopes,
    /// The token, if it can be revoked or expire; none for the admin token of the settings.
    pub token: Option<TokenHash>,
}

/// Why a token is invalid. All texts but the last may be shown: the caller holds the token and learns nothing else.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// There is no such token.
    #[error("the token is not known")]
    Unknown,
    /// It was revoked.
    #[error("the token was revoked")]
    Revoked(Actor),
    /// It expired at this time.
    #[error("the token expired at {0}")]
    Expired(Timestamp, Actor),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

type Known = (Instant, Option<Arc<StoredToken>>);

/// All tokens: the admin's from the settings, and those in the store.
pub struct Tokens {
    store: Arc<dyn Store>,
    /// SHA-256 of the admin token, which has all scopes.
    admin: [u8; 32],
    known: Mutex<LruCache<TokenHash, Known>>,
    tasks: TaskTracker,
}

impl Tokens {
    /// The tokens of a store, and the admin token. `tasks` runs the updates of a token's last use.
    pub fn new(store: Arc<dyn Store>, admin: &Secret<String>, tasks: TaskTracker) -> Self {
        Self {
            store,
            admin: Sha256::digest(admin.expose()).into(),
            known: Mutex::new(LruCache::new(REMEMBERED)),
            tasks,
        }
    }

    /// The owner of a token.
    ///
    /// # Errors
    /// [`TokenError`] if the token is unknown or no longer valid.
    pub async fn identify(&self, token: &str) -> Result<Identity, TokenError> {
        // hashes are compared in constant time, so that timing reveals neither length nor prefix of the token
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

    /// Checks that a token is still valid, by a row no older than `fresh`.
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

    /// Clears the cache, as a token was revoked in this process.
    pub fn forget(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Stores the token's last use, unless that was done lately.
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

/// The owner of a token, by its row.
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
