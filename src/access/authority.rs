//! The token under which something goes on for long, such as an open event stream: asked for again and again, so that nothing
//! outlives it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{TokenError, TokenHash, Tokens};

/// How often it is asked for. With [`FRESH`] a stream ends well within two seconds after a revocation in any process.
const ASKED_EVERY: Duration = Duration::from_millis(750);
/// How old an answer may be that another stream of the same token has had.
const FRESH: Duration = Duration::from_millis(500);

/// The authority of a token that may end.
pub struct Authority {
    tokens: Arc<Tokens>,
    token: TokenHash,
    next: Instant,
}

impl Authority {
    /// That of a token which was good a moment ago.
    pub fn new(tokens: Arc<Tokens>, token: TokenHash) -> Self {
        Self {
            tokens,
            token,
            next: Instant::now() + ASKED_EVERY,
        }
    }

    /// Whether it still stands, asked for if it is time to.
    ///
    /// # Errors
    /// [`TokenError`] if the token is no longer good, or nobody can tell.
    pub async fn stands(&mut self) -> Result<(), TokenError> {
        if Instant::now() < self.next {
            return Ok(());
        }
        self.tokens.is_good(self.token, FRESH).await?;
        self.next = Instant::now() + ASKED_EVERY;
        Ok(())
    }

    /// Waits until it has ended. Dropping the future loses nothing.
    pub async fn ended(&mut self) -> TokenError {
        loop {
            sleep_until(self.next).await;
            if let Err(error) = self.stands().await {
                return error;
            }
        }
    }
}
