//! The read models of warmledger: pure folds over recorded events, one file each, listed in one registry.
//!
//! Two rules hold for every view here:
//! - **It holds no personal data and no secrets**, only the plain facts of events. If a reader needs a sealed value (an
//!   e-mail address, a name), the view keeps the position of its event, and the service opens that section on each
//!   read. So erasing a subject leaves nothing behind in a view.
//! - **It is a function of the set of events, not of their order of arrival**, since webhooks may arrive in any order.
//!   Every field is merged by an explicit key (the time of sending, the period it is about), never by "the last one
//!   seen". `tests/interleavings` checks this for every projection.
//!
//! Layout
//! - `projection`: the [`Projection`] trait, its columns and values
//! - `any`: [`AnyProjection`], the type-erased form that the runner folds
//! - `document`: views as the stored JSON texts
//! - `registry`: the list of all projections
//! - `orders`: the outcome of each order
//! - `order_domains`: the same, domain by domain, as a view in SQL
//! - `mailboxes`: the mailboxes of each domain, and the places of their sealed parts
//! - `renewals`: the life of each subscription
//! - `customers`: each user whom a webhook names
//! - `domains`: the registration of each domain
//! - `failures`: every failed domain of every failed webhook
//! - `monthly_mailboxes`: how many mailboxes each provider assigned in each month
//! - `accounts`: which events hold the newest of each mailbox's sealed parts
//! - `access`: the access log
//! - `subscription`: a subscription's status from the evidence of its events
//! - `assignment`: the outcome of one domain of an order
//! - `provenance`: a row's user, provider and times of recording
//! - `stamp`: which of two events is the newer one
//! - `merge`: merges that do not depend on the order of arrival
//! - `testing`: `given([…]).then_columns(key, […])`, and compact events
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod access;
pub mod accounts;
mod any;
mod assignment;
pub mod customers;
pub mod document;
pub mod domains;
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
