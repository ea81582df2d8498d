//! Errors as `application/problem+json` (RFC 9457).

use aggregates::Position;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::access::{JournalError, OverLimit};
use ledger::{OpenError, RecordError};
use runner::RunError;
use store::StoreError;

/// The position of an answer's views; in a request, the position that the answer has to include.
pub(super) const POSITION: HeaderName = HeaderName::from_static("warmledger-position");

/// The media type of every error.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// A refused request (RFC 9457; its type is `about:blank`, so the status says what kind of problem it is).
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// What kind of problem it is, in short.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What was wrong with this request, and what to do.
    detail: String,
    #[serde(skip)]
    retry_after: Option<u32>,
    #[serde(skip)]
    position: Option<Position>,
    #[serde(skip)]
    told: bool,
}

/// Response extension: this answer has been logged already.
#[derive(Clone, Copy)]
pub(super) struct Logged;

impl Problem {
    /// A problem with this status and its standard title.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self {
            title,
            status: status.as_u16(),
            detail: detail.into(),
            retry_after: None,
            position: None,
            told: false,
        }
    }

    /// Marks it as logged already: it needs no other line.
    pub(super) fn told(mut self) -> Self {
        self.told = true;
        self
    }

    /// Its status.
    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Whether it has this status.
    pub(super) fn is(&self, status: StatusCode) -> bool {
        self.status == status.as_u16()
    }

    /// Sets the position of the answer's views.
    pub(super) fn at(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }

    /// Sets after how many seconds the sender may retry.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The request is malformed.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Not found.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// A transient error: the same call may succeed in some seconds.
    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(5)
    }

    /// This process lacks a master key that it needs; /readyz and the log say which.
    fn lacks_key() -> Self {
        Self::unavailable("a master key is missing in this process; try again later, or ask another process")
    }

    /// An internal error; only the log has the cause.
    pub(super) fn internal() -> Self {
        let detail = "something went wrong here; the service's log says what";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status(), axum::Json(&self)).into_response();
        if self.told {
            response.extensions_mut().insert(Logged);
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(Position(position)) = self.position {
            headers.insert(POSITION, HeaderValue::from(position));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            tracing::warn!(%error, "the store did not answer");
            return Self::unavailable("the store is not available; try again later");
        }
        tracing::error!(%error, "the store failed");
        Self::internal()
    }
}

impl From<OverLimit> for Problem {
    fn from(over: OverLimit) -> Self {
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, over.to_string());
        match over.wait {
            Some(wait) => problem.retry_after(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1)),
            None => problem,
        }
    }
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Over(over) => over.into(),
            JournalError::Record(error) => error.into(),
        }
    }
}

impl From<RecordError> for Problem {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::QueueFull | RecordError::Contended => {
                Self::unavailable("too many webhooks are waiting to be recorded; try again later").retry_after(1)
            }
            RecordError::Closed => Self::unavailable("the service is shutting down; try again later"),
            RecordError::Store(error) if error.is_transient() => {
                tracing::warn!(%error, "the store did not answer");
                Self::unavailable("the store is not available; try again later")
            }
            error if error.lacks_key() => Self::lacks_key(),
            error => {
                tracing::error!(%error, "what somebody asked for could not be recorded");
                Self::internal()
            }
        }
    }
}

impl From<RunError> for Problem {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Store(error) => error.into(),
            RunError::Cancelled => Self::unavailable("the service is shutting down; try again later"),
            RunError::Disturbed | RunError::TooManyMoments => Self::unavailable(error.to_string()),
            error => {
                tracing::error!(%error, "rows could not be folded");
                Self::internal()
            }
        }
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Store(error) => error.into(),
            OpenError::Erased => Self::new(StatusCode::GONE, "the subject was erased"),
            OpenError::Vault(error) if error.lacks_key() => {
                tracing::warn!(%error, "a sealed section cannot be opened here");
                Self::lacks_key()
            }
            OpenError::Vault(error) => {
                tracing::error!(%error, "a sealed section could not be opened");
                Self::internal()
            }
        }
    }
}
