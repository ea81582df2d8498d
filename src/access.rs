//! Access: authorisation, limits, and recording.
//!
//! Layout
//! - `token`: making tokens
//! - `tokens`: looking up tokens, with a cache of some seconds
//! - `authority`: rechecking the token of a long-running call
//! - `caller`: the caller, their address and their connection
//! - `forwarded`: parsing the headers in which proxies name clients
//! - `proxies`: which proxies' headers are trusted
//! - `limits`: limits per caller
//! - `reason`: the caller's reason, in their own words
//! - `journal`: recording accesses as events

mod authority;
mod caller;
mod forwarded;
mod journal;
mod limits;
mod proxies;
mod reason;
mod token;
mod tokens;

pub use authority::Authority;
pub use caller::{Address, Caller, Connection, Way};
pub use journal::{Journal, JournalError, Read};
pub use limits::{Limiter, OverLimit, Permit, UnderWay};
pub use proxies::TrustedProxies;
pub use reason::Reason;
pub use store::{Scope, Scopes, TokenHash};
pub use token::{TokenName, facts_of, new_token};
pub(crate) use tokens::BELIEVED;
pub use tokens::{Identity, TokenError, Tokens};
