//! Work that goes on beside its caller.

use tokio::task::JoinError;

/// What a task came to. Its panic goes on in whoever waits for it. None if it was cancelled: the process is ending.
pub fn outcome<T>(joined: Result<T, JoinError>) -> Option<T> {
    match joined {
        Ok(outcome) => Some(outcome),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => None,
        },
    }
}
