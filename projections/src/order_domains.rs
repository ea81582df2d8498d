//! The outcome of each domain of each order, for SQL: a view over [`Orders`](crate::orders::Orders), whose documents
//! hold all of it. It stores nothing.
//!
//! A failure of a whole order names no domain and has no row here. User, provider, times and position are the order's.

use crate::{Projection, SqlView, orders::Orders};

/// The view.
pub const ORDER_DOMAINS: SqlView = SqlView {
    name: "order_domains",
    of: Orders::NAME,
    postgres: include_str!("order_domains/postgres.sql"),
    sqlite: include_str!("order_domains/sqlite.sql"),
};
