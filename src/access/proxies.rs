//! Which proxy headers are trusted: only those of proxies in the settings.

use std::net::IpAddr;

use ipnet::IpNet;

use super::forwarded::{self, Node};
use super::{Address, Connection, Way};

/// The header in which proxies list clients, the nearest last.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// The header with the scheme of the request to the proxy.
const FORWARDED_PROTO: &str = "x-forwarded-proto";
/// The header with both (RFC 7239).
const FORWARDED: &str = "forwarded";
/// Any of these marks a forwarded call.
const FORWARDING: [&str; 8] = [
    FORWARDED_FOR,
    FORWARDED_PROTO,
    FORWARDED,
    "x-forwarded-host",
    "x-forwarded-port",
    "x-real-ip",
    "true-client-ip",
    "via",
];
/// The header with the caller's program.
const USER_AGENT: &str = "user-agent";

/// The trusted proxies, and whether this machine itself is trusted.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    over_loopback: bool,
}

impl TrustedProxies {
    /// Trusts these networks. `over_loopback`: calls over loopback without forwarding headers are private.
    pub fn new(networks: Vec<IpNet>, over_loopback: bool) -> Self {
        Self {
            networks,
            over_loopback,
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// How a call came in from this peer. `header` returns a header's value by its lower-case name; values of repeated
    /// headers are joined by commas.
    pub fn connection(&self, peer: IpAddr, header: impl Fn(&str) -> Option<String>) -> Connection {
        let peer = peer.to_canonical();
        let forwards = FORWARDING.iter().any(|name| header(name).is_some());
        let (address, way) = if self.trusts(peer) {
            let (address, way) = self.told(peer, header(FORWARDED_FOR), header(FORWARDED), header(FORWARDED_PROTO));
            // a trusted proxy that forwards without naming the client: not a call of its own
            let address = match address {
                None if forwards => Address::Unknown("not told".to_owned(), peer),
                address => address.unwrap_or(Address::Known(peer)),
            };
            (address, way)
        } else if forwards {
            // its headers are not trusted, but the call was not made by the peer either
            (Address::Forwarder(peer), Way::UntrustedProxy(peer))
        } else {
            let way = match (peer.is_loopback(), self.over_loopback) {
                (true, true) => Way::Loopback,
                (true, false) => Way::LoopbackNotAllowed,
                (false, _) => Way::Plain(peer),
            };
            (Address::Known(peer), way)
        };
        Connection {
            address,
            way,
            user_agent: header(USER_AGENT),
        }
    }

    /// Whether a trusted proxy reports that the call came over HTTPS.
    pub fn say_https(&self, peer: IpAddr, header: impl Fn(&str) -> Option<String>) -> bool {
        self.trusts(peer.to_canonical()) && self.connection(peer, header).way == Way::Https
    }

    /// The client and scheme that a trusted proxy reports; no address if it names none. Many proxies write one kind of
    /// header and pass on the caller's own of the other kind, so if both are present, they have to agree.
    fn told(
        &self,
        proxy: IpAddr,
        forwarded_for: Option<String>,
        forwarded: Option<String>,
        proto: Option<String>,
    ) -> (Option<Address>, Way) {
        let elements = forwarded.as_deref().map(forwarded::elements);
        let last = |list: &str| list.rsplit(',').next().unwrap_or_default().trim().to_owned();
        let schemes = [
            proto.as_deref().map(last),
            elements
                .as_deref()
                .and_then(|all| all.last())
                .and_then(|one| one.scheme.clone()),
        ];
        let mut schemes = schemes.iter().flatten().peekable();
        let https = schemes.peek().is_some() && schemes.all(|scheme| scheme.eq_ignore_ascii_case("https"));
        let way = if https { Way::Https } else { Way::PlainToProxy(proxy) };

        let of_list = forwarded_for
            .as_deref()
            .map(|list| self.client(proxy, forwarded::nodes(list)));
        // without any node the header reports other things, such as the scheme
        let elements = elements.filter(|all| all.is_empty() || all.iter().any(|element| element.node.is_some()));
        let of_elements = elements.map(|all| {
            let nodes = all.into_iter().map(|element| element.node.unwrap_or(Node::Unreadable));
            self.client(proxy, nodes.collect())
        });
        let address = match (of_list, of_elements) {
            (Some(one), Some(other)) if one != other => Some(Address::Unknown(format!("{one} or {other}"), proxy)),
            (list, elements) => list.or(elements),
        };
        (address, way)
    }

    /// The last node that is not a trusted proxy: anyone can have written the nodes before it.
    fn client(&self, mut proxy: IpAddr, nodes: Vec<Node>) -> Address {
        let unreadable = |proxy| Address::Unknown("unreadable".to_owned(), proxy);
        if nodes.is_empty() {
            return unreadable(proxy);
        }
        for node in nodes.into_iter().rev() {
            match node {
                Node::Address(address) if self.trusts(address) => proxy = address,
                Node::Address(address) => return Address::Known(address),
                Node::Name(name) => return Address::Unknown(name, proxy),
                Node::Unreadable => return unreadable(proxy),
            }
        }
        Address::Known(proxy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(trusted: &[&str], over_loopback: bool, peer: &str, headers: &[(&str, &str)]) -> Connection {
        let networks = trusted.iter().map(|network| network.parse().expect("a network"));
        let proxies = TrustedProxies::new(networks.collect(), over_loopback);
        let find = |name: &str| headers.iter().find(|(header, _)| *header == name);
        let header = |name: &str| find(name).map(|(_, value)| (*value).to_owned());
        proxies.connection(peer.parse().expect("an address"), header)
    }

    fn address(trusted: &[&str], peer: &str, headers: &[(&str, &str)]) -> String {
        connection(trusted, false, peer, headers).address.to_string()
    }

    fn private(trusted: &[&str], over_loopback: bool, peer: &str, headers: &[(&str, &str)]) -> bool {
        connection(trusted, over_loopback, peer, headers).way.is_private()
    }

    const TEN: &[&str] = &["10.0.0.0/8"];

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let headers = [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https")];
        assert_eq!(
            address(&[], "10.0.0.1", &headers),
            "10.0.0.1, a proxy that is not trusted"
        );
        assert!(!private(&[], true, "10.0.0.1", &headers));
        for peer in ["10.0.0.1", "::ffff:10.0.0.1"] {
            assert_eq!(address(TEN, peer, &headers), "192.0.2.7");
            assert!(private(TEN, false, peer, &headers));
        }
        assert_eq!(address(TEN, "10.0.0.1", &[]), "10.0.0.1");
        for silent in [
            ("x-forwarded-proto", "https"),
            ("x-real-ip", "192.0.2.7"),
            ("forwarded", "proto=https"),
            ("via", "1.1 p"),
        ] {
            assert_eq!(address(TEN, "10.0.0.1", &[silent]), "not told, by the proxy 10.0.0.1");
        }
        assert!(!private(TEN, true, "10.0.0.1", &[]));
    }

    #[test]
    fn loopback_is_private_where_it_is_allowed_and_nothing_says_that_the_call_was_forwarded() {
        for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(private(&[], true, peer, &[]));
            assert!(
                !private(&[], false, peer, &[]),
                "a proxy on the same machine may be silent"
            );
        }
        for header in FORWARDING {
            for value in ["192.0.2.7", "https", "for=192.0.2.7;proto=https"] {
                assert!(
                    !private(&[], true, "127.0.0.1", &[(header, value)]),
                    "{header}: {value}"
                );
            }
        }
        let own = &["127.0.0.0/8"];
        assert!(!private(own, true, "127.0.0.1", &[]), "it is a proxy");
        let said = [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https")];
        assert!(private(own, false, "127.0.0.1", &said));
        assert_eq!(
            address(&[], "127.0.0.1", &said),
            "127.0.0.1, a proxy that is not trusted",
            "the proxy is not taken for the caller"
        );
    }

    #[test]
    fn the_nearest_hop_that_is_no_trusted_proxy_is_the_client() {
        for (list, expected) in [
            ("203.0.113.9, 192.0.2.7, 10.0.0.2", "192.0.2.7"),
            ("203.0.113.9, 192.0.2.7:51234, 10.0.0.2:80", "192.0.2.7"),
            ("[2001:db8::9]:443", "2001:db8::9"),
            ("for=\"[2001:db8::9]:443\"", "2001:db8::9"),
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("192.0.2.7, nonsense", "unreadable, by the proxy 10.0.0.1"),
            ("nonsense, 10.0.0.2", "unreadable, by the proxy 10.0.0.2"),
            ("", "unreadable, by the proxy 10.0.0.1"),
            ("unknown", "unknown, by the proxy 10.0.0.1"),
        ] {
            assert_eq!(
                address(TEN, "10.0.0.1", &[("x-forwarded-for", list)]),
                expected,
                "{list}"
            );
        }
    }

    #[test]
    fn forwarded_is_believed_as_well_and_both_have_to_agree() {
        let of = |headers: &[(&str, &str)]| {
            let connection = connection(TEN, false, "10.0.0.1", headers);
            (connection.address.to_string(), connection.way.is_private())
        };
        let known = |address: &str, private| (address.to_owned(), private);
        let both = "for=\"[2001:db8::9]:443\";proto=https, for=10.0.0.2;proto=https";
        assert_eq!(of(&[("forwarded", both)]), known("2001:db8::9", true));
        assert_eq!(
            of(&[("forwarded", "for=192.0.2.7;proto=http")]),
            known("192.0.2.7", false)
        );
        assert_eq!(
            of(&[("forwarded", "for=_desk;proto=https")]),
            known("_desk, by the proxy 10.0.0.1", true)
        );
        let list = ("x-forwarded-for", "192.0.2.7:1234");
        assert_eq!(of(&[list, ("forwarded", "proto=https")]), known("192.0.2.7", true));
        assert_eq!(
            of(&[list, ("forwarded", "for=192.0.2.7;proto=https")]),
            known("192.0.2.7", true)
        );
        // the caller's own header, passed on
        let (http, https) = (
            ("x-forwarded-proto", "http"),
            ("forwarded", "for=198.51.100.1;proto=https"),
        );
        assert_eq!(
            of(&[list, http, https]),
            known("192.0.2.7 or 198.51.100.1, by the proxy 10.0.0.1", false)
        );
        assert!(!of(&[("x-forwarded-proto", "https, http")]).1);
        assert!(
            !of(&[("forwarded", "proto=https, for=10.0.0.2")]).1,
            "the nearest does not say"
        );
    }
}
