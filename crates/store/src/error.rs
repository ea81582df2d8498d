//! Store errors, distinguished by how a caller can react.

use aggregates::{EventError, IdError};

use super::Duty;

/// An error of a store. Its text names no stored value.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, or failed for a transient reason: retry later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Another session holds a lock for longer than the time-out: retry later.
    #[error("somebody else holds what is needed in the database: {0}")]
    Locked(String),
    /// The database can be read but not written: a standby, a read-only file, or one that is failing over. For a
    /// running service that is transient.
    #[error("the database takes no writes: {0}")]
    ReadOnly(String),
    /// The database holds no ledger.
    #[error("there is no ledger here yet: `warmledger serve` or `warmledger migrate` makes one")]
    NoLedger,
    /// The database refused the statement: a retry would not help.
    #[error("the database refused ({code}): {message}")]
    Refused {
        /// The SQLSTATE, or SQLite's extended result code.
        code: String,
        /// The database's primary message, without its detail.
        message: String,
    },
    /// Another process has taken over the lease for this write: nothing was written.
    #[error("another process has taken over {}: this step was not written", .0.as_str())]
    Overtaken(Duty),
    /// The database, or the connection to it, is not set up as needed.
    #[error("the database cannot be used: {0}")]
    Unsuitable(String),
    /// The subject is under legal hold and cannot be erased.
    #[error("the subject is under legal hold")]
    Held,
    /// Stored data is malformed.
    #[error("stored data cannot be read: {0}")]
    Corrupt(String),
    /// The schema could not be brought up to date.
    #[error("the schema could not be brought up to date: {0}")]
    Migration(String),
}

impl StoreError {
    /// For work that was cancelled since the process is ending.
    pub fn ending() -> Self {
        Self::Unavailable("the process is ending".to_owned())
    }

    /// Whether a retry of the same call may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_) | Self::Locked(_) | Self::ReadOnly(_) | Self::Overtaken(_)
        )
    }

    /// Whether nothing was written because the database or the role is read-only.
    pub fn takes_no_writes(&self) -> bool {
        match self {
            Self::ReadOnly(_) => true,
            Self::Refused { code, .. } => code == INSUFFICIENT_PRIVILEGE,
            _ => false,
        }
    }

    /// The error of a first connection: wrong access rights are permanent then, while for a running service they may
    /// pass.
    pub(super) fn of_first(error: sqlx::Error) -> Self {
        if let Some(told) = about_tls(&error) {
            return Self::Unsuitable(told);
        }
        match error {
            sqlx::Error::Database(error) if error.code().is_some_and(|code| is_of_access(&code)) => {
                let (code, message) = (error.code().unwrap_or_default(), error.message());
                Self::Unsuitable(format!("{message} ({code}){}", advice(&code, message)))
            }
            sqlx::Error::Configuration(_) | sqlx::Error::Tls(_) => Self::Unsuitable(error.to_string()),
            error => error.into(),
        }
    }

    /// Whether a table is missing: another process may have dropped a generation's table.
    pub fn is_missing_table(&self) -> bool {
        matches!(self, Self::Refused { code, message } if code == "42P01" || message.starts_with("no such table"))
    }
}

/// SQLSTATE lock_not_available: `lock_timeout` has expired.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// SQLSTATE insufficient_privilege.
const INSUFFICIENT_PRIVILEGE: &str = "42501";
/// SQLSTATE read_only_sql_transaction.
const READ_ONLY: &str = "25006";
/// SQLite's primary result code READONLY.
const SQLITE_READ_ONLY: i32 = 8;

/// SQLSTATE classes of authorization (28) and of a missing database (3D).
fn is_of_access(code: &str) -> bool {
    ["28", "3D"].iter().any(|class| code.starts_with(class))
}

/// Transient SQLSTATE classes: connection (08), resources (53), operator intervention (57), serialization and deadlock
/// (40), authorization (28) and database name (3D), which an operator may be changing, object not in prerequisite state
/// (55), a transaction that was left idle (25P03).
/// Source: PostgreSQL manual, appendix A.
fn passes(code: &str) -> bool {
    let classes = ["08", "53", "57", "40", "55"];
    classes.iter().any(|class| code.starts_with(class)) || is_of_access(code) || code == "25P03"
}

/// SQLite's transient primary result codes: BUSY (5), LOCKED (6), IOERR (10), FULL (13), CANTOPEN (14), PROTOCOL (15).
/// Source: <https://www.sqlite.org/rescode.html>.
fn sqlite_passes(code: &str) -> bool {
    sqlite_primary(code).is_some_and(|code| matches!(code, 5 | 6 | 10 | 13 | 14 | 15))
}

/// The primary result code of an extended one.
fn sqlite_primary(code: &str) -> Option<i32> {
    code.parse::<i32>().ok().map(|code| code & 0xff)
}

/// Whether the constraint on held subjects was violated. SQLite does not name the constraint; a caller can violate no
/// other one.
fn breaks_hold(error: &dyn sqlx::error::DatabaseError) -> bool {
    let is_it = |name| name == "subjects_held_not_erased";
    error.is_check_violation() && error.constraint().is_none_or(is_it)
}

/// Advice if the server refuses a client for lack of TLS.
fn advice(code: &str, message: &str) -> &'static str {
    match code {
        "28000" if message.contains("no encryption") => "; the server wants TLS here: write sslmode=verify-full",
        "28000" if message.contains("client certificate") => "; name it and its key with sslcert and sslkey",
        _ => "",
    }
}

/// The TLS problem and its remedy, if the error is about TLS.
fn about_tls(error: &sqlx::Error) -> Option<String> {
    match error {
        sqlx::Error::Tls(told) if told.to_string() == "server does not support TLS" => Some(
            "the server does not offer TLS: turn on `ssl` there, or write sslmode=disable if nobody can listen in between"
                .to_owned(),
        ),
        other => tls::explain(other, NAMES),
    }
}

/// The URL parameters to correct if TLS fails.
const NAMES: tls::Names = tls::Names {
    root: "sslrootcert",
    client: "sslcert and sslkey",
};

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) if breaks_hold(&*error) => Self::Held,
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default().into_owned();
                let message = error.message().to_owned();
                if code == LOCK_NOT_AVAILABLE {
                    return Self::Locked(message);
                }
                let is_sqlstate = code.len() == 5;
                if code == READ_ONLY || (!is_sqlstate && sqlite_primary(&code) == Some(SQLITE_READ_ONLY)) {
                    return Self::ReadOnly(message);
                }
                let passes = if is_sqlstate {
                    passes(&code)
                } else {
                    sqlite_passes(&code)
                };
                if passes {
                    Self::Unavailable(format!("{message} ({code}){}", advice(&code, &message)))
                } else {
                    Self::Refused { code, message }
                }
            }
            sqlx::Error::ColumnDecode { index, source } => Self::Corrupt(format!("column {index}: {source}")),
            sqlx::Error::Decode(source) => Self::Corrupt(source.to_string()),
            other => Self::Unavailable(about_tls(&other).unwrap_or_else(|| other.to_string())),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::Execute(error) | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => {
                error.into()
            }
            other => Self::Migration(other.to_string()),
        }
    }
}

impl From<IdError> for StoreError {
    fn from(error: IdError) -> Self {
        Self::Corrupt(format!("an identifier {error}"))
    }
}

impl From<EventError> for StoreError {
    fn from(error: EventError) -> Self {
        Self::Corrupt(error.to_string())
    }
}
