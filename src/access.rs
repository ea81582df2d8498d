//! Who may do what, and what is kept of it.
//!
//! Layout
//! - `token`: making tokens
//! - `tokens`: whose token it is; known for some seconds
//! - `authority`: whether a token under which something goes on for long is still good
//! - `caller`: who calls, from where and how
//! - `forwarded`: the headers in which proxies say whom they forward for
//! - `proxies`: what is to be believed of a proxy's headers
//! - `limits`: how much somebody may do
//! - `reason`: why, in their own words
//! - `journal`: what somebody did becomes an event

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
