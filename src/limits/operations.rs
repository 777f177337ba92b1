//! Rates of operations on sockets. A proxy cannot limit them: to it a socket is one request.

use std::num::NonZeroU32;

use governor::{
    DefaultDirectRateLimiter, Quota,
    clock::{Clock, DefaultClock},
};
use metrics::Counter;

use super::{Limiter, non_zero};
use crate::{
    config::{ClientsConfig, Switch},
    error::Error,
    model::ClientAddress,
    telemetry::Registry,
};

/// The burst of a socket or an address, in seconds of its rate: a page that reconnects subscribes to
/// all that it shows at once.
const BURST_SECONDS: u32 = 10;
/// The rate at which a client counts as abusive, in rates of a socket.
const ABUSE_FACTOR: u32 = 10;

/// The rates of operations on all sockets of one server.
#[derive(Debug)]
pub struct OperationLimits {
    /// `None` if limits are off.
    limits: Option<Limits>,
    refused: Counter,
}

#[derive(Debug)]
struct Limits {
    per_socket: NonZeroU32,
    addresses: Limiter<ClientAddress>,
}

/// The rate of one socket.
#[derive(Debug)]
pub struct SocketRate {
    address: Option<ClientAddress>,
    /// The limiters of refusal and of abuse; `None` if limits are off.
    limiters: Option<Box<[DefaultDirectRateLimiter; 2]>>,
}

/// The reason why an operation is refused.
#[derive(Debug)]
pub enum Excess {
    /// The socket or its address is over its rate.
    Limited(Error),
    /// The socket is over ten times its rate.
    Abusive,
}

impl OperationLimits {
    /// Creates the limits from the settings, each with its full budget.
    pub fn new(config: &ClientsConfig, limits: Switch, registry: &Registry) -> Self {
        let per_address = config.operations_per_address;
        let limits = (limits == Switch::On).then(|| Limits {
            per_socket: non_zero(config.operations_per_socket),
            addresses: Limiter::new(
                Quota::per_second(non_zero(per_address)),
                per_address.saturating_mul(BURST_SECONDS),
            ),
        });
        Self {
            limits,
            refused: super::metrics::operations(registry),
        }
    }

    /// Returns the rate of a new socket.
    pub fn socket(&self, address: Option<ClientAddress>) -> SocketRate {
        let limiters = self.limits.as_ref().map(|limits| {
            let factors = [1, ABUSE_FACTOR];
            Box::new(factors.map(|factor| {
                let rate = limits.per_socket.saturating_mul(non_zero(factor));
                let burst = rate.saturating_mul(non_zero(BURST_SECONDS));
                DefaultDirectRateLimiter::direct(Quota::per_second(rate).allow_burst(burst))
            }))
        });
        SocketRate { address, limiters }
    }

    /// Counts an operation on a socket. Returns the excess if it is over a rate.
    pub fn count(&self, socket: &SocketRate) -> Result<(), Excess> {
        let (Some(limits), Some(limiters)) = (&self.limits, &socket.limiters) else {
            return Ok(());
        };
        let [rate, abuse] = &**limiters;
        if abuse.check().is_err() {
            return Err(Excess::Abusive);
        }
        let of_socket = rate.check().map_err(|denied| {
            self.refused.increment(1);
            Error::RateLimited {
                retry_after: denied.wait_time_from(DefaultClock::default().now()),
            }
        });
        let of_address = || match &socket.address {
            Some(address) => limits.addresses.count(address, &self.refused),
            None => Ok(()),
        };
        of_socket
            .and_then(|()| of_address())
            .map_err(Excess::Limited)
    }
}
