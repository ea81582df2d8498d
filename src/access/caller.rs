//! The caller, their address and their connection.

use std::fmt;
use std::net::IpAddr;

use aggregates::{AccessFacts, Actor};

use super::{Identity, Scope, Scopes, TokenHash};

/// The most characters of a `User-Agent` that are recorded.
const MAX_USER_AGENT_CHARS: usize = 200;

/// Where a call came from. Its text is part of access events, which are kept for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// This address: the peer, or the client that trusted proxies name.
    Known(IpAddr),
    /// Forwarded by trusted proxies; only this text of the last one, with this address, is known.
    Unknown(String, IpAddr),
    /// Forwarded by a proxy that is not trusted.
    Forwarder(IpAddr),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(address) => address.fmt(f),
            Self::Unknown(told, proxy) => write!(f, "{told}, by the proxy {proxy}"),
            Self::Forwarder(proxy) => write!(f, "{proxy}, a proxy that is not trusted"),
        }
    }
}

/// How a call came, which decides whether others could read the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Over HTTPS, according to a trusted proxy.
    Https,
    /// Within this machine, where the setting `reveal_over_loopback` allows it.
    Loopback,
    /// Over loopback without the setting: a proxy on this machine may have forwarded it from anywhere.
    LoopbackNotAllowed,
    /// Through this trusted proxy, which does not report HTTPS.
    PlainToProxy(IpAddr),
    /// Through this proxy, which is not trusted.
    UntrustedProxy(IpAddr),
    /// Over plain HTTP from here.
    Plain(IpAddr),
}

impl Way {
    /// Whether no one on the way could read the answer.
    pub fn is_private(self) -> bool {
        matches!(self, Self::Https | Self::Loopback)
    }

    /// Why it is not private, and the remedy.
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

/// The connection of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Where it came from: the peer's address, or the one that a trusted proxy names.
    pub address: Address,
    /// How it came, and so whether others could read it.
    pub way: Way,
    /// The caller's `User-Agent`.
    pub user_agent: Option<String>,
}

/// A caller with a valid token, or on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    actor: Actor,
    scopes: Scopes,
    token: Option<TokenHash>,
    connection: Option<Connection>,
}

impl Caller {
    /// A caller over HTTP.
    pub fn http(identity: Identity, connection: Connection) -> Self {
        Self {
            actor: identity.actor,
            scopes: identity.scopes,
            token: identity.token,
            connection: Some(connection),
        }
    }

    /// The system user who runs this program. With access to the database they may do everything.
    pub fn cli() -> Self {
        let user = whoami::username().unwrap_or_else(|_| "unknown".to_owned());
        Self {
            actor: Actor::cli(&user),
            scopes: Scopes::all(),
            token: None,
            connection: None,
        }
    }

    /// The actor that events name.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Whether the caller has the scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(scope)
    }

    /// The caller's token, if it can be revoked or expire.
    pub fn token(&self) -> Option<TokenHash> {
        self.token
    }

    /// The connection; none on the command line.
    pub fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }

    /// Facts about the caller, for an access event.
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
