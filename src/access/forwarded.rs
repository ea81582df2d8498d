//! Parses the headers in which proxies name clients: `X-Forwarded-For` as proxies write it, with ports, brackets and
//! quotes, and `Forwarded` (RFC 7239).

use std::net::{IpAddr, Ipv6Addr};

/// One node on the way of a request, as a proxy names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// An address; its port is dropped.
    Address(IpAddr),
    /// A proxy's own name for a node (`_…`, RFC 7239 §6.3), or `unknown` (§6.2).
    Name(String),
    /// Something else.
    Unreadable,
}

/// The longest name of a node.
const MAX_NAME: usize = 64;

impl Node {
    /// A node: `192.0.2.7`, `192.0.2.7:4711`, `2001:db8::9`, `[2001:db8::9]:443`, `_hidden`, `unknown`; quoted or not.
    fn parse(text: &str) -> Self {
        let Some(text) = unquoted(text.trim()) else {
            return Self::Unreadable;
        };
        let text = text.trim();
        if let Ok(address) = without_zone(text).parse::<IpAddr>() {
            return Self::Address(address.to_canonical());
        }
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (host, port) = match bracketed {
            Some((host, "")) => (host, None),
            Some((host, rest)) => match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None => return Self::Unreadable,
            },
            // more than one colon is an IPv6 address, which was parsed above
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        if !port.is_none_or(is_port) {
            return Self::Unreadable;
        }
        let address = match bracketed {
            Some(_) => without_zone(host).parse::<Ipv6Addr>().ok().map(IpAddr::from),
            None => host.parse().ok(),
        };
        match address {
            Some(address) => Self::Address(address.to_canonical()),
            None if bracketed.is_none() && is_name(host) => Self::Name(host.to_ascii_lowercase()),
            None => Self::Unreadable,
        }
    }
}

/// Drops the zone of a link-local address (RFC 4007 §11), which only its own machine knows.
fn without_zone(text: &str) -> &str {
    text.split_once('%').map_or(text, |(address, _)| address)
}

fn is_port(text: &str) -> bool {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits && text.parse::<u16>().is_ok() || is_hidden(text)
}

fn is_name(text: &str) -> bool {
    text.eq_ignore_ascii_case("unknown") || is_hidden(text)
}

/// An identifier of the proxy's own (RFC 7239 §6.3).
fn is_hidden(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let name = text.strip_prefix('_');
    name.is_some_and(|name| !name.is_empty() && text.len() <= MAX_NAME && name.bytes().all(plain))
}

/// The nodes of an `X-Forwarded-For`, the nearest last. `for=` before a node, as in `Forwarded`, is dropped. A comma
/// ends a node even after an unclosed quote of the caller's, so that the proxy's own node is parsed.
pub(super) fn nodes(list: &str) -> Vec<Node> {
    let bare = |part: &str| {
        let part = part.trim();
        match part.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("for") => Node::parse(value),
            _ => Node::parse(part),
        }
    };
    let parts = list.split(',').filter(|part| !part.trim().is_empty());
    parts.map(bare).collect()
}

/// One proxy's element of a `Forwarded` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// The client it forwards for; none if absent.
    pub(super) node: Option<Node>,
    /// The scheme of the request to it.
    pub(super) scheme: Option<String>,
}

/// The elements of a `Forwarded` header, the nearest proxy's last (RFC 7239 §4).
pub(super) fn elements(list: &str) -> Vec<Element> {
    // empty elements are ignored (RFC 9110 §5.6.1.2)
    let parts = split(list, ',').filter(|part| !part.trim().is_empty());
    parts.map(element).collect()
}

fn element(text: &str) -> Element {
    let unreadable = || Element {
        node: Some(Node::Unreadable),
        scheme: None,
    };
    let mut element = Element {
        node: None,
        scheme: None,
    };
    for pair in split(text, ';').filter(|pair| !pair.trim().is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return unreadable();
        };
        let taken = match name.trim().to_ascii_lowercase().as_str() {
            "for" => element.node.replace(Node::parse(value)).is_some(),
            "proto" => match unquoted(value.trim()) {
                Some(scheme) => element.scheme.replace(scheme).is_some(),
                None => true,
            },
            _ => false,
        };
        // each parameter may occur once (§4)
        if taken {
            return unreadable();
        }
    }
    element
}

/// The parts between separators outside of quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        if escaped {
            escaped = false;
            return false;
        }
        match c {
            '"' => quoted = !quoted,
            '\\' => escaped = quoted,
            _ => {}
        }
        c == separator && !quoted
    })
}

/// A token, or a quoted string without its quotes (RFC 9110 §5.6.4); none if the quotes do not match.
fn unquoted(text: &str) -> Option<String> {
    let Some(rest) = text.strip_prefix('"') else {
        return (!text.contains('"')).then(|| text.to_owned());
    };
    let mut value = String::with_capacity(rest.len());
    let mut characters = rest.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => return characters.next().is_none().then_some(value),
            '\\' => value.push(characters.next()?),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> Node {
        Node::Address(text.parse().expect("an address"))
    }

    #[test]
    fn a_node_is_read_as_proxies_write_it() {
        for (text, expected) in [
            ("203.0.113.9", address("203.0.113.9")),
            ("203.0.113.9:51234", address("203.0.113.9")),
            ("\"203.0.113.9:51234\"", address("203.0.113.9")),
            ("203.0.113.9:_port", address("203.0.113.9")),
            ("2001:db8::9", address("2001:db8::9")),
            ("[2001:db8::9]", address("2001:db8::9")),
            ("[2001:db8::9]:443", address("2001:db8::9")),
            ("\"[2001:db8::9]:443\"", address("2001:db8::9")),
            ("for=\"[2001:db8::9]\"", address("2001:db8::9")),
            ("For=203.0.113.9", address("203.0.113.9")),
            ("[::ffff:203.0.113.9]:80", address("203.0.113.9")),
            ("fe80::1%eth0", address("fe80::1")),
            ("[fe80::1%eth0]:80", address("fe80::1")),
            ("unknown", Node::Name("unknown".to_owned())),
            ("_gazonk", Node::Name("_gazonk".to_owned())),
            ("nonsense", Node::Unreadable),
            ("203.0.113.9:99999", Node::Unreadable),
            ("203.0.113.9:", Node::Unreadable),
            ("[203.0.113.9]", Node::Unreadable),
            ("[2001:db8::9", Node::Unreadable),
            ("[2001:db8::9]443", Node::Unreadable),
            ("\"203.0.113.9", Node::Unreadable),
            ("_", Node::Unreadable),
            ("203.0.113.\u{fffd}", Node::Unreadable),
        ] {
            assert_eq!(nodes(text), [expected], "{text}");
        }
        assert_eq!(
            nodes(" 192.0.2.7:1 ,, \"[2001:db8::9]:443\","),
            [address("192.0.2.7"), address("2001:db8::9")]
        );
        assert_eq!(nodes(" , "), []);
        // the caller's own quote does not swallow the proxy's node
        assert_eq!(nodes("\", 192.0.2.7"), [Node::Unreadable, address("192.0.2.7")]);
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_writes_it() {
        let element = |node: Option<Node>, scheme: Option<&str>| Element {
            node,
            scheme: scheme.map(str::to_owned),
        };
        for (text, expected) in [
            ("for=\"_gazonk\"", element(Some(Node::Name("_gazonk".to_owned())), None)),
            (
                "For=\"[2001:db8:cafe::17]:4711\"",
                element(Some(address("2001:db8:cafe::17")), None),
            ),
            (
                "for=192.0.2.60;proto=http;by=203.0.113.43",
                element(Some(address("192.0.2.60")), Some("http")),
            ),
            (
                "proto=\"https\"; host=\"a,b;c\\\"d\"; for=192.0.2.60 ",
                element(Some(address("192.0.2.60")), Some("https")),
            ),
            ("proto=https", element(None, Some("https"))),
            ("for=192.0.2.1;for=192.0.2.2", element(Some(Node::Unreadable), None)),
            ("proto=https;proto=http", element(Some(Node::Unreadable), None)),
            ("192.0.2.60", element(Some(Node::Unreadable), None)),
        ] {
            assert_eq!(elements(text), [expected], "{text}");
        }
        assert_eq!(elements("for=192.0.2.43, for=\"[2001:db8:cafe::17]\"").len(), 2);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[ \\\\\"\\[\\]=;,:%._a-z0-9é]{0,60}") {
            let _ = (nodes(&text), elements(&text));
        }

        #[test]
        fn any_address_is_read_in_every_way_of_writing_it(bits: u128, four: u32, port: u16) {
            let six = Ipv6Addr::from_bits(bits);
            let four = std::net::Ipv4Addr::from_bits(four);
            let of_six = [Node::Address(IpAddr::from(six).to_canonical())];
            for text in [format!("{six}"), format!("[{six}]"), format!("[{six}]:{port}"), format!("\"[{six}]:{port}\"")] {
                prop_assert_eq!(&nodes(&text)[..], &of_six[..]);
                let quoted = format!("for=\"{}\"", text.trim_matches('"'));
                prop_assert_eq!(&elements(&quoted)[0].node, &Some(of_six[0].clone()));
            }
            let of_four = [Node::Address(four.into())];
            for text in [format!("{four}"), format!("{four}:{port}"), format!("\"{four}:{port}\"")] {
                prop_assert_eq!(&nodes(&text)[..], &of_four[..]);
                prop_assert_eq!(&elements(&format!("proto=https;for={text}"))[0].node, &Some(of_four[0].clone()));
            }
        }
    }
}
