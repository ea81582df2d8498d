//! Background tasks.

use tokio::task::JoinError;

/// The result of a task. Its panic resumes in the caller. None if it was cancelled: the process is ending.
pub fn outcome<T>(joined: Result<T, JoinError>) -> Option<T> {
    match joined {
        Ok(outcome) => Some(outcome),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => None,
        },
    }
}
