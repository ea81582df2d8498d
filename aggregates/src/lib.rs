//! The domain of warmledger: identifiers, the events of an order, and the aggregate that decides which event a webhook
//! becomes. Pure: no database, network, clock or randomness.
//!
//! Layout
//! - `ids`: identifiers, parsed once at the edge
//! - `event`: the events of both families, their stored names and schema versions
//! - `upcast`, `error`: old facts in new shapes; why a stored event cannot be read
//! - `order`: the [`Order`] aggregate: commands in, events out
//! - `moment`: moments as text
//! - `price`: exact decimal prices
//! - `visible`: the visible characters of a text
//! - `recorded`: an event with its envelope, as projections see it
#![warn(missing_docs)]

mod error;
mod event;
mod ids;
pub mod moment;
mod order;
mod price;
mod recorded;
mod upcast;
pub mod visible;

pub use error::EventError;
pub use event::*;
pub use ids::*;
pub use order::{Order, OrderCommand, OrderError};
pub use price::{NotAPrice, Price};
pub use recorded::Recorded;
