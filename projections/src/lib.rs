//! The read models of warmledger: pure folds over recorded events, one file each, listed in one registry.
//!
//! Two rules hold for every view here:
//! - **It holds no personal data and no secrets**, only the plain facts of events. Where a reader needs something
//!   sealed (an e-mail address, a name), the view keeps the position of the event that holds it, and the service opens
//!   that section when somebody reads. So erasing a subject leaves nothing behind in a view.
//! - **It is a function of the set of events, not of their order of arrival**, since webhooks are promised in no order.
//!   Every field is merged by an explicit key (when the provider sent it, which period it is about), never by "the last
//!   one seen". `tests/interleavings` holds every projection to this.
//!
//! Layout
//! - `projection`: the [`Projection`] trait, its columns and values
//! - `any`: [`AnyProjection`], the same without its type, as the runner folds it
//! - `document`: views as the JSON texts in which they are stored
//! - `registry`: the list of all projections
//! - `orders`: what became of each order
//! - `order_domains`: the same, domain by domain, as a view in SQL
//! - `mailboxes`: which mailboxes each domain has, and where their sealed parts are
//! - `renewals`: the life of each subscription
//! - `failures`: every failed domain of every failed webhook
//! - `monthly_mailboxes`: how many mailboxes each provider assigned in each month
//! - `accounts`: which events hold the newest of each mailbox's sealed parts
//! - `access`: who did what with the ledger
//! - `subscription`: what the evidence of a subscription's events amounts to
//! - `assignment`: what became of one domain of an order
//! - `provenance`: whose a row is, and when its events were recorded
//! - `stamp`: which of two events is the newer one
//! - `merge`: the merges that do not depend on the order of arrival
//! - `testing`: `given([…]).then_columns(key, […])`, and compact events
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod access;
pub mod accounts;
mod any;
mod assignment;
pub mod document;
pub mod failures;
pub mod mailboxes;
mod merge;
pub mod monthly_mailboxes;
pub mod order_domains;
pub mod orders;
mod projection;
mod provenance;
mod registry;
pub mod renewals;
mod stamp;
mod subscription;
pub mod testing;

pub use any::{AnyProjection, FoldError, Folded, OpenRow};
pub use assignment::DomainStatus;
pub use projection::{Column, Keys, Kind, Origin, Projection, Row, SqlView, Value, Verdict};
pub use registry::{all, by_name, views_of};
pub use subscription::SubscriptionStatus;
