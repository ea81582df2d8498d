//! What became of each domain of each order, as SQL sees it: a view over [`Orders`](crate::orders::Orders), whose documents hold all of
//! it. Nothing is stored for it.
//!
//! A failure of an order as a whole names no domain and has no row here. User, provider, times and position are those of the order.

use crate::{Projection, SqlView, orders::Orders};

/// The view.
pub const ORDER_DOMAINS: SqlView = SqlView {
    name: "order_domains",
    of: Orders::NAME,
    postgres: include_str!("order_domains/postgres.sql"),
    sqlite: include_str!("order_domains/sqlite.sql"),
};
