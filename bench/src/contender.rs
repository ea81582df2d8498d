//! Who is measured.

use serde::Serialize;

/// A server, or the ledger alone, on one of the databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Contender {
    /// The plain service: one INSERT per request.
    Plain,
    /// Our service on PostgreSQL.
    HttpPostgres,
    /// Our service on SQLite.
    HttpSqlite,
    /// Our ledger on PostgreSQL, without HTTP.
    LedgerPostgres,
    /// Our ledger on SQLite, without HTTP.
    LedgerSqlite,
}

impl Contender {
    /// All of them, in the order of their turns.
    pub(crate) const ALL: [Self; 5] = [
        Self::Plain,
        Self::HttpPostgres,
        Self::HttpSqlite,
        Self::LedgerPostgres,
        Self::LedgerSqlite,
    ];

    /// As the table calls it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Plain => "plain axum + INSERT, PostgreSQL",
            Self::HttpPostgres => "warmledger over HTTP, PostgreSQL",
            Self::HttpSqlite => "warmledger over HTTP, SQLite",
            Self::LedgerPostgres => "ledger alone, PostgreSQL",
            Self::LedgerSqlite => "ledger alone, SQLite",
        }
    }

    pub(crate) fn is_postgres(self) -> bool {
        matches!(self, Self::Plain | Self::HttpPostgres | Self::LedgerPostgres)
    }

    pub(crate) fn over_http(self) -> bool {
        matches!(self, Self::Plain | Self::HttpPostgres | Self::HttpSqlite)
    }
}
