//! Client addresses behind proxies. A forwarding header is trusted only if it comes from a
//! configured proxy.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header::FORWARDED};
use ipnet::IpNet;

use crate::{config::ProxyHeader, model::ClientAddress};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The networks of trusted proxies, with the header that they append to.
#[derive(Clone, Debug)]
pub(super) struct TrustedProxies {
    trusted: Vec<IpNet>,
    header: ProxyHeader,
}

impl TrustedProxies {
    pub(super) fn new(trusted: Vec<IpNet>, header: ProxyHeader) -> Self {
        Self { trusted, header }
    }

    /// Returns true if `peer` is a trusted proxy.
    pub(super) fn contains(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted.iter().any(|network| network.contains(&peer))
    }

    /// Returns the client's address for a request from `peer`.
    ///
    /// Each proxy appends the address of its own peer, so the list is read from its end. Reading
    /// stops at the first hop that is not trusted, because a client can forge all entries before
    /// it. It also stops at an entry that is not an address.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let (name, address): (_, fn(&str) -> Option<IpAddr>) = match self.header {
            ProxyHeader::XForwardedFor => (X_FORWARDED_FOR, address),
            ProxyHeader::Forwarded => (FORWARDED, forwarded_for),
        };
        let lines = headers.get_all(name).iter().rev();
        // Split as bytes: invalid UTF-8 from the client must not spoil the entries after it.
        let mut hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        let mut client = peer;
        while self.contains(client) {
            let hop = hops.next().and_then(|hop| std::str::from_utf8(hop).ok());
            let Some(hop) = hop.and_then(address) else {
                break;
            };
            client = hop;
        }
        client.into()
    }
}

/// Parses an address with an optional port. IPv6 with a port needs brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse::<IpAddr>().ok();
    address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
}

/// Parses the `for` address of one `Forwarded` element (RFC 7239, section 4).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    address(node.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn client(header: ProxyHeader, peer: &str, lines: &[&str]) -> ClientAddress {
        let name = match header {
            ProxyHeader::XForwardedFor => X_FORWARDED_FOR,
            ProxyHeader::Forwarded => FORWARDED,
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                name.clone(),
                HeaderValue::from_bytes(line.as_bytes()).unwrap(),
            );
        }
        let trusted = ["10.0.0.0/8", "127.0.0.1/32", "fd00::/8"];
        let trusted = trusted.map(|network| network.parse().unwrap()).to_vec();
        TrustedProxies::new(trusted, header).client(peer.parse().unwrap(), &headers)
    }

    fn at(text: &str) -> ClientAddress {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn client_is_the_last_untrusted_hop() {
        for (peer, lines, expected) in [
            // Headers of an untrusted peer are ignored.
            ("192.0.2.9", &["203.0.113.7"][..], "192.0.2.9"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("::ffff:127.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            // The entries that the client sent precede the one that the proxy appended.
            ("127.0.0.1", &["1.1.1.1, 203.0.113.7"], "203.0.113.7"),
            ("127.0.0.1", &["1.1.1.1", "203.0.113.7"], "203.0.113.7"),
            (
                "127.0.0.1",
                &["1.1.1.1,203.0.113.7 ,10.1.2.3"],
                "203.0.113.7",
            ),
            ("127.0.0.1", &["203.0.113.7:4711"], "203.0.113.7"),
            ("fd00::1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("fd00::1", &["2001:db8::1"], "2001:db8::1"),
            // All hops are trusted: the first is the client.
            ("127.0.0.1", &["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
            // Reading stops at an invalid entry: the proxy that wrote it is the client.
            ("127.0.0.1", &["203.0.113.7, unknown, 10.0.0.2"], "10.0.0.2"),
            ("127.0.0.1", &["203.0.113.7, "], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.7", "\u{e9}"], "127.0.0.1"),
            ("127.0.0.1", &["\u{e9}, 203.0.113.7"], "203.0.113.7"),
        ] {
            let found = client(ProxyHeader::XForwardedFor, peer, lines);
            assert_eq!(found, at(expected), "{peer} {lines:?}");
        }
    }

    #[test]
    fn standard_forwarded_header_is_read_too() {
        for (lines, expected) in [
            (&["for=203.0.113.7;proto=https"][..], "203.0.113.7"),
            (&["proto=https; For=\"203.0.113.7:80\""], "203.0.113.7"),
            (&["for=1.1.1.1, for=\"[2001:db8::1]:4711\""], "2001:db8::1"),
            (
                &["for=1.1.1.1", "for=203.0.113.7, for=10.0.0.1"],
                "203.0.113.7",
            ),
            (&["for=203.0.113.7, for=_hidden"], "127.0.0.1"),
            (&["proto=https"], "127.0.0.1"),
        ] {
            let found = client(ProxyHeader::Forwarded, "127.0.0.1", lines);
            assert_eq!(found, at(expected), "{lines:?}");
        }
    }
}
