//! Clients: the ids that they give themselves, and the addresses that limits count.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use uuid::Uuid;

use super::shared_str::shared_str;

shared_str! {
    /// The id of a client (one page or app instance): 1 to 64 of `A-Z a-z 0-9 . _ -`.
    ClientId
}

impl ClientId {
    /// Returns `None` if `text` is not a valid client id.
    pub fn parse(text: &str) -> Option<Self> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_id = (1..=64).contains(&text.len()) && text.bytes().all(is_allowed);
        is_id.then(|| Self(text.into()))
    }

    /// Creates a unique id for a client that did not name itself.
    pub fn new_unnamed() -> Self {
        Self(format!("unnamed.{}", Uuid::new_v4().simple()).into())
    }
}

/// A client's address as limits count it: an IPv4 address, or an IPv6 /64, because a client with one
/// IPv6 address usually controls its whole /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(IpAddr);

shared_str! {
    /// A keyed hash of an address: 64 hexadecimal digits. It is stored in place of the address.
    AddressHash
}

impl AddressHash {
    /// Creates the text of a hash.
    pub fn new(hash: [u8; 32]) -> Self {
        Self(hex::encode(hash).into())
    }
}

impl From<ClientAddress> for IpAddr {
    fn from(ClientAddress(address): ClientAddress) -> Self {
        address
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() & (u128::MAX << 64);
                Ipv6Addr::from_bits(network).into()
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}
