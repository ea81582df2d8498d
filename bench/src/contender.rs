//! The contenders.

use serde::Serialize;

/// A server, or a ledger alone, on one of the databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Contender {
    /// The plain service: one INSERT per request, through a pool that was tuned.
    Plain,
    /// The same through the pool that sqlx makes unless told otherwise.
    PlainDefault,
    /// The same row, inserted with all that wait: what sharing commits comes to, and nothing else.
    PlainTogether,
    /// Our service on PostgreSQL.
    HttpPostgres,
    /// The same, with repeats and events on existing streams among the webhooks.
    MixedPostgres,
    /// Two processes of our service on one PostgreSQL, which share the senders.
    TwoPostgres,
    /// Our service on SQLite.
    HttpSqlite,
    /// Our ledger on PostgreSQL, without HTTP.
    LedgerPostgres,
    /// Our ledger on SQLite, without HTTP.
    LedgerSqlite,
    /// postgres-es through cqrs-es, without HTTP.
    PostgresEs,
    /// The same with one view, folded by its `GenericQuery`.
    PostgresEsView,
}

impl Contender {
    /// All of them, in the order of their turns.
    pub(crate) const ALL: [Self; 11] = [
        Self::Plain,
        Self::PlainDefault,
        Self::PlainTogether,
        Self::HttpPostgres,
        Self::MixedPostgres,
        Self::TwoPostgres,
        Self::HttpSqlite,
        Self::LedgerPostgres,
        Self::LedgerSqlite,
        Self::PostgresEs,
        Self::PostgresEsView,
    ];

    /// The name in the table.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Plain => "plain axum + INSERT, PostgreSQL",
            Self::PlainDefault => "… with sqlx's default pool",
            Self::PlainTogether => "… with INSERTs of all that wait",
            Self::HttpPostgres => "warmledger over HTTP, PostgreSQL",
            Self::MixedPostgres => "… with repeats and known streams",
            Self::TwoPostgres => "… two processes, one PostgreSQL",
            Self::HttpSqlite => "warmledger over HTTP, SQLite",
            Self::LedgerPostgres => "ledger alone, PostgreSQL",
            Self::LedgerSqlite => "ledger alone, SQLite",
            Self::PostgresEs => "postgres-es + cqrs-es alone, no view",
            Self::PostgresEsView => "postgres-es + cqrs-es alone, one view",
        }
    }

    /// Whether it is measured: services with any number of senders, the rest with the most only; a short run leaves out
    /// contenders without a goal.
    pub(crate) fn takes_part(self, most_senders: bool, quick: bool) -> bool {
        match self {
            Self::Plain | Self::HttpPostgres => true,
            Self::HttpSqlite => most_senders || !quick,
            Self::PlainDefault | Self::PlainTogether => most_senders && !quick,
            Self::LedgerPostgres | Self::LedgerSqlite => most_senders,
            Self::MixedPostgres | Self::TwoPostgres | Self::PostgresEs | Self::PostgresEsView => most_senders,
        }
    }

    pub(crate) fn is_postgres(self) -> bool {
        !matches!(self, Self::HttpSqlite | Self::LedgerSqlite)
    }

    pub(crate) fn over_http(self) -> bool {
        !matches!(
            self,
            Self::LedgerPostgres | Self::LedgerSqlite | Self::PostgresEs | Self::PostgresEsView
        )
    }

    /// Whether it is a plain service.
    pub(crate) fn is_plain(self) -> bool {
        matches!(self, Self::Plain | Self::PlainDefault | Self::PlainTogether)
    }

    /// Whether projections are folded meanwhile.
    pub(crate) fn folds(self) -> bool {
        self.over_http() && !self.is_plain()
    }
}
