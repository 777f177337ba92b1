//! Admission of connections, and of the sockets and streams on them.

use std::{net::IpAddr, sync::Arc};

use axum::http::request::Parts;

use super::{
    limiter::{ConnectionLimiter, LimitReached, Permit},
    trusted_proxies::TrustedProxies,
};
use crate::{
    config::{ClientsConfig, Switch},
    model::ClientAddress,
};

/// The connection limits, with the proxies that are trusted to name a client's address. Clones
/// share the counts.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    limiter: ConnectionLimiter,
    proxies: TrustedProxies,
}

/// A request extension: the connection on which the request arrived.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    address: IpAddr,
    /// Held until the connection and all that it carried are gone.
    permit: Arc<Permit>,
}

/// The permit of one socket or stream, held for its life.
#[derive(Debug)]
pub(crate) struct StreamPermit {
    _connection: Option<Arc<Permit>>,
    _address: Option<Permit>,
}

impl Admission {
    /// Creates the limits of `config`. If `limits` is off, there is no limit per address.
    pub(crate) fn new(config: &ClientsConfig, limits: Switch) -> Self {
        let per_address = (limits == Switch::On).then_some(config.connections_per_address);
        let trusted = config.trusted_proxies.clone();
        Self {
            limiter: ConnectionLimiter::new(config.connection_limit, per_address),
            proxies: TrustedProxies::new(trusted, config.proxy_header),
        }
    }

    /// Returns the address of a request's client.
    pub(crate) fn client(&self, request: &Parts) -> Option<ClientAddress> {
        let peer = request.extensions.get::<Peer>()?;
        Some(self.proxies.client(peer.address, &request.headers))
    }

    /// Admits a socket or stream, which outlives its request. A trusted proxy's connection carries
    /// many clients, so there each socket and stream counts for its client's address.
    pub(crate) fn admit_stream(&self, request: &Parts) -> Result<StreamPermit, LimitReached> {
        let peer = request.extensions.get::<Peer>();
        let proxy = peer.filter(|peer| self.proxies.contains(peer.address));
        let address = match proxy {
            Some(Peer { address, .. }) => {
                let client = self.proxies.client(*address, &request.headers);
                Some(self.limiter.acquire_for_address(client)?)
            }
            None => None,
        };
        Ok(StreamPermit {
            _connection: peer.map(|peer| Arc::clone(&peer.permit)),
            _address: address,
        })
    }

    /// Admits a connection from `peer`. A trusted proxy's connection counts for no address.
    pub(super) fn admit_connection(&self, peer: IpAddr) -> Result<Peer, LimitReached> {
        let is_proxy = self.proxies.contains(peer);
        let address = (!is_proxy).then(|| ClientAddress::from(peer));
        let permit = self.limiter.acquire_connection(address)?;
        Ok(Peer {
            address: peer,
            permit: Arc::new(permit),
        })
    }
}
