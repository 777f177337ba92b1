//! Who is at the other end, where a proxy may stand between: a header is believed only if it comes
//! from a proxy that the settings name.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header::FORWARDED};
use ipnet::IpNet;

use crate::{config::ProxyHeader, model::ClientAddress};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose word is taken.
#[derive(Clone, Debug)]
pub(super) struct Proxies {
    trusted: Vec<IpNet>,
    header: ProxyHeader,
}

impl Proxies {
    pub(super) fn new(trusted: Vec<IpNet>, header: ProxyHeader) -> Self {
        Self { trusted, header }
    }

    /// Whether the one at the other end of a connection is such a proxy.
    pub(super) fn are_trusted(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted.iter().any(|network| network.contains(&peer))
    }

    /// The client of a request that came from this peer. Each proxy appends who it was asked by, so
    /// the list is read from its end, for as long as those who wrote it are trusted: what is in front
    /// of that anybody may have invented. What is no address is where reading ends.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let (name, address): (_, fn(&str) -> Option<IpAddr>) = match self.header {
            ProxyHeader::XForwardedFor => (X_FORWARDED_FOR, address),
            ProxyHeader::Forwarded => (FORWARDED, forwarded_for),
        };
        let lines = headers.get_all(name).iter().rev();
        // Taken apart as bytes: what the client wrote of no text must not spoil what stands behind it.
        let mut hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        let mut client = peer;
        while self.are_trusted(client) {
            let hop = hops.next().and_then(|hop| std::str::from_utf8(hop).ok());
            let Some(hop) = hop.and_then(address) else {
                break;
            };
            client = hop;
        }
        client.into()
    }
}

/// An address, with or without a port; one of IPv6 with a port stands in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse::<IpAddr>().ok();
    address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
}

/// The address in one element of `Forwarded` (RFC 7239, section 4).
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
        Proxies::new(trusted, header).client(peer.parse().unwrap(), &headers)
    }

    fn at(text: &str) -> ClientAddress {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn client_is_the_last_untrusted_hop() {
        for (peer, lines, expected) in [
            // Nobody is believed who is not a trusted proxy.
            ("192.0.2.9", &["203.0.113.7"][..], "192.0.2.9"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("::ffff:127.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            // What the client itself wrote stands in front of what the proxy appends.
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
            // All are trusted: the one in front is asked by nobody else.
            ("127.0.0.1", &["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
            // Reading ends at what is no address: the proxy that wrote it counts.
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
