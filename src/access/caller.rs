//! Who calls, from where and how.

use std::fmt;
use std::net::IpAddr;

use aggregates::{AccessFacts, Actor};

use super::{Identity, Scope, Scopes, TokenHash};

/// The most characters that are kept of what a caller calls its program.
const MAX_USER_AGENT_CHARS: usize = 200;

/// Where a call came from. Its text stands in access events for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// From here: the peer, or whom trusted proxies name.
    Known(IpAddr),
    /// Trusted proxies forwarded it, and this is all that the last one of them, with this address, says.
    Untold(String, IpAddr),
    /// Somebody forwarded it who is no trusted proxy.
    Forwarder(IpAddr),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(address) => address.fmt(f),
            Self::Untold(told, proxy) => write!(f, "{told}, by the proxy {proxy}"),
            Self::Forwarder(proxy) => write!(f, "{proxy}, a proxy that is not trusted"),
        }
    }
}

/// Which way a call came: whether somebody could read the answer on its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Over HTTPS, says a trusted proxy.
    Https,
    /// Within this machine, where the setting `reveal_over_loopback` allows it.
    Loopback,
    /// Over loopback, where the setting does not: a proxy on this machine may have forwarded it from anywhere.
    LoopbackNotAllowed,
    /// Through this trusted proxy, which does not say that it came over HTTPS.
    PlainToProxy(IpAddr),
    /// Through this proxy, which is not trusted.
    UntrustedProxy(IpAddr),
    /// Over plain HTTP from here.
    Plain(IpAddr),
}

impl Way {
    /// Whether nobody on the way could read the answer.
    pub fn is_private(self) -> bool {
        matches!(self, Self::Https | Self::Loopback)
    }

    /// Why it is not private, and what to do.
    pub fn explained(self) -> String {
        const NAME_IT: &str = "name it in the setting trusted_proxies and let it send X-Forwarded-Proto";
        match self {
            Self::Https | Self::Loopback => "nobody on the way could read the answer".to_owned(),
            Self::LoopbackNotAllowed => format!(
                "this call came over loopback, as those do that a proxy on this machine forwards from elsewhere; if a proxy \
                 here ends TLS, {NAME_IT}; if nothing here forwards calls, set reveal_over_loopback = true"
            ),
            Self::PlainToProxy(proxy) => format!(
                "the proxy {proxy} does not say that this call came to it over https; let it send X-Forwarded-Proto, or \
                 Forwarded, in place of what callers send"
            ),
            Self::UntrustedProxy(proxy) => format!(
                "this call was forwarded by {proxy}, which is not among the trusted_proxies; if it is a proxy of yours that \
                 ends TLS, {NAME_IT}"
            ),
            Self::Plain(peer) => format!(
                "this call came over plain HTTP from {peer}; put a proxy that ends TLS in front of the service, {NAME_IT}"
            ),
        }
    }
}

/// How a call came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Where it came from: the peer's address, or what a trusted proxy says.
    pub address: Address,
    /// Whether somebody on the way could read it.
    pub way: Way,
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
