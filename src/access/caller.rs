//! Who calls, from where and how.

use std::net::IpAddr;

use aggregates::{AccessFacts, Actor};

use super::{Identity, Scope, Scopes, TokenHash};

/// The most characters that are kept of what a caller calls its program.
const MAX_USER_AGENT_CHARS: usize = 200;

/// How a call came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Where it came from: the peer's address, or what a trusted proxy says.
    pub address: IpAddr,
    /// Whether nobody on the way could read it: over HTTPS, or within this machine.
    pub private: bool,
    /// What the caller calls its program.
    pub user_agent: Option<String>,
}

/// Somebody with a good token, or on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    actor: Actor,
    scopes: Scopes,
    token: Option<TokenHash>,
    connection: Option<Connection>,
}

impl Caller {
    /// Over HTTP.
    pub fn http(identity: Identity, connection: Connection) -> Self {
        Self {
            actor: identity.actor,
            scopes: identity.scopes,
            token: identity.token,
            connection: Some(connection),
        }
    }

    /// The user of the system who runs this program. Whoever reaches the database so may do everything.
    pub fn cli() -> Self {
        let user = whoami::username().unwrap_or_else(|_| "unknown".to_owned());
        Self {
            actor: Actor::cli(&user),
            scopes: Scopes::all(),
            token: None,
            connection: None,
        }
    }

    /// Who it is.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Whether they may.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(scope)
    }

    /// The token they called with, where it may be revoked or expire.
    pub fn token(&self) -> Option<TokenHash> {
        self.token
    }

    /// How the call came in; none on the command line.
    pub fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }

    /// What an event tells of the caller.
    pub fn facts(&self) -> AccessFacts {
        let connection = self.connection.as_ref();
        AccessFacts {
            address: connection.map(|connection| connection.address.to_string()),
            user_agent: connection.and_then(|connection| connection.user_agent.as_deref().map(kept)),
            ..AccessFacts::by(self.actor.clone())
        }
    }
}

fn kept(user_agent: &str) -> String {
    let plain = user_agent.chars().filter(|c| !c.is_control());
    plain.take(MAX_USER_AGENT_CHARS).collect()
}
