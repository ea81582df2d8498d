//! The provider's side, for `simulate`, `demo`, the tests and the benchmark: a [`Plan`] of webhooks like Cold Mail
//! Reseller's, and [`run`], which sends it signed and retries as the provider does.
//!
//! Layout:
//! - `plan`: the webhooks to send, the same for the same [`Options`]: each a `delivery`; `order` and `renewal` play one
//!   order's life each, `life` those of its domains and mailboxes, of a `customer` with a `provider`, `payload` holds the JSON shapes, `invent` the names,
//!   identifiers and credentials
//! - `odd`: the same webhooks with values in other forms
//! - `expected`: the views after all of them have arrived
//! - `send`: sends the deliveries, paced; `summary`: the result of a run
//!
//! Bodies hold (invented) credentials, so no type that holds a body has `Debug`.

mod customer;
mod delivery;
mod expected;
mod invent;
mod life;
mod odd;
mod order;
mod payload;
mod plan;
mod provider;
mod renewal;
mod send;
mod summary;

pub use delivery::Delivery;
pub use expected::{
    DomainOutcome, Expected, ExpectedDomain, ExpectedMailbox, ExpectedOrder, ExpectedOrdinaryOrder,
    ExpectedRegistration, ExpectedSubscription, OrderStatus, RegistrationStatus,
};
pub use payload::SubscriptionStatus;
pub use plan::{Options, Plan, Scenario};
pub use provider::Provider;
pub use send::{Faulty, Pace, RESPONSE_TIMEOUT, RETRY_DELAYS, SendError, SendOptions, run, run_faulty};
pub use summary::Summary;
