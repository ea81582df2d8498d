//! What is to be believed of a proxy's headers: nothing, unless the proxy is among those that the settings name.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Connection;

/// The header in which proxies say whom they forward for, the nearest last.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// The header in which they say by which scheme it came to them.
const FORWARDED_PROTO: &str = "x-forwarded-proto";
/// Any of these says that the call is forwarded, and not by which scheme.
const FORWARDING: [&str; 5] = [FORWARDED_FOR, "forwarded", "x-forwarded-host", "x-real-ip", "via"];
/// The header in which callers say which program they are.
const USER_AGENT: &str = "user-agent";

/// The proxies that are believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Those in these networks.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// How a call came in from this peer. `header` gives a header's value by its name in lower case; of several headers of
    /// one name, the values joined by commas.
    pub fn connection(&self, peer: IpAddr, header: impl Fn(&str) -> Option<String>) -> Connection {
        let peer = peer.to_canonical();
        let trusted = self.trusts(peer);
        let scheme =
            header(FORWARDED_PROTO).map(|value| value.split(',').next_back().unwrap_or_default().trim().to_owned());
        let https = |scheme: &str| scheme.eq_ignore_ascii_case("https");
        // whoever forwards for somebody else has to say how it came to them
        let forwards = trusted || FORWARDING.iter().any(|name| header(name).is_some());
        let private = match scheme {
            Some(scheme) if trusted || peer.is_loopback() => https(&scheme),
            _ => peer.is_loopback() && !forwards,
        };
        let forwarded = header(FORWARDED_FOR).filter(|_| trusted);
        Connection {
            address: forwarded.map_or(peer, |list| self.client(peer, &list)),
            private,
            user_agent: header(USER_AGENT),
        }
    }

    /// The last address in the list that is not a trusted proxy's: what stands before it, anybody can have written.
    fn client(&self, peer: IpAddr, list: &str) -> IpAddr {
        let mut client = peer;
        for hop in list.rsplit(',') {
            let Ok(address) = hop.trim().parse::<IpAddr>() else {
                break;
            };
            client = address.to_canonical();
            if !self.trusts(client) {
                break;
            }
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(trusted: &[&str], peer: &str, headers: &[(&str, &str)]) -> (String, bool) {
        let networks = trusted.iter().map(|network| network.parse().expect("a network"));
        let proxies = TrustedProxies::new(networks.collect());
        let find = |name: &str| headers.iter().find(|(header, _)| *header == name);
        let header = |name: &str| find(name).map(|(_, value)| (*value).to_owned());
        let connection = proxies.connection(peer.parse().expect("an address"), header);
        (connection.address.to_string(), connection.private)
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let headers = [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https")];
        let of = |address: &str, private| (address.to_owned(), private);
        assert_eq!(connection(&[], "10.0.0.1", &headers), of("10.0.0.1", false));
        assert_eq!(connection(&["10.0.0.0/8"], "10.0.0.1", &headers), of("192.0.2.7", true));
        assert_eq!(
            connection(&["10.0.0.0/8"], "::ffff:10.0.0.1", &headers),
            of("192.0.2.7", true)
        );
        assert_eq!(connection(&["10.0.0.0/8"], "10.0.0.1", &[]), of("10.0.0.1", false));
    }

    #[test]
    fn loopback_is_private_unless_it_forwards_what_came_over_plain_http() {
        assert!(connection(&[], "127.0.0.1", &[]).1);
        assert!(connection(&[], "::1", &[]).1);
        assert!(!connection(&[], "127.0.0.1", &[("x-forwarded-proto", "http")]).1);
        assert!(!connection(&[], "127.0.0.1", &[("x-forwarded-proto", "https, http")]).1);
        // nor if it does not say how it came
        for silent in ["x-forwarded-for", "forwarded", "x-real-ip", "via"] {
            assert!(!connection(&[], "127.0.0.1", &[(silent, "192.0.2.7")]).1, "{silent}");
        }
        assert!(!connection(&["127.0.0.0/8"], "127.0.0.1", &[]).1, "it is a proxy");
        assert!(
            connection(
                &["127.0.0.0/8"],
                "127.0.0.1",
                &[("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https")]
            )
            .1
        );
        // its word for the address counts for nothing all the same
        assert_eq!(
            connection(&[], "127.0.0.1", &[("x-forwarded-for", "192.0.2.7")]).0,
            "127.0.0.1"
        );
    }

    #[test]
    fn the_nearest_hop_that_is_no_trusted_proxy_is_the_client() {
        let list = [("x-forwarded-for", "203.0.113.9, 192.0.2.7, 10.0.0.2")];
        assert_eq!(connection(&["10.0.0.0/8"], "10.0.0.1", &list).0, "192.0.2.7");
        let broken = [("x-forwarded-for", "192.0.2.7, nonsense")];
        assert_eq!(connection(&["10.0.0.0/8"], "10.0.0.1", &broken).0, "10.0.0.1");
    }
}
