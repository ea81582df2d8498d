//! The token of a long-running call, such as an event stream: rechecked regularly, so that the call does not outlive
//! it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{TokenError, TokenHash, Tokens};

/// How often it is rechecked. With [`FRESH`] a stream ends well within two seconds after a revocation in any process.
const ASKED_EVERY: Duration = Duration::from_millis(750);
/// The largest age of another stream's check of the same token that is reused.
const FRESH: Duration = Duration::from_millis(500);

/// The authority of a token that may expire or be revoked.
pub struct Authority {
    tokens: Arc<Tokens>,
    token: TokenHash,
    next: Instant,
}

impl Authority {
    /// For a token that was just checked.
    pub fn new(tokens: Arc<Tokens>, token: TokenHash) -> Self {
        Self {
            tokens,
            token,
            next: Instant::now() + ASKED_EVERY,
        }
    }

    /// Checks the token, if a check is due.
    ///
    /// # Errors
    /// [`TokenError`] if the token is no longer valid, or the store cannot be read.
    pub async fn check(&mut self) -> Result<(), TokenError> {
        if Instant::now() < self.next {
            return Ok(());
        }
        self.tokens.is_good(self.token, FRESH).await?;
        self.next = Instant::now() + ASKED_EVERY;
        Ok(())
    }

    /// Waits until the token has ended. Dropping the future loses nothing.
    pub async fn ended(&mut self) -> TokenError {
        loop {
            sleep_until(self.next).await;
            if let Err(error) = self.check().await {
                return error;
            }
        }
    }
}
