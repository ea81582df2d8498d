//! Who may do what, and what is kept of it.
//!
//! Layout
//! - `scope`: what a token may do
//! - `token`: tokens and their hashes
//! - `tokens`: whose token it is; known for some seconds
//! - `caller`: who calls, from where and how
//! - `proxies`: what is to be believed of a proxy's headers
//! - `limits`: how often somebody may do something
//! - `reason`: why, in their own words
//! - `journal`: what somebody did becomes an event

mod caller;
mod journal;
mod limits;
mod proxies;
mod reason;
mod scope;
mod token;
mod tokens;

pub use caller::{Caller, Connection};
pub use journal::{Journal, Read};
pub use limits::Limiter;
pub use proxies::TrustedProxies;
pub use reason::Reason;
pub use scope::{Scope, Scopes};
pub use token::{TokenHash, TokenName, facts_of, new_token};
pub use tokens::{Identity, TokenError, Tokens};
