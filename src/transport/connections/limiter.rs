//! Limits on the number of connections: in total, and per address.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::model::ClientAddress;

/// The connection limiter of one server. Clones share the counts.
#[derive(Clone, Debug)]
pub(super) struct ConnectionLimiter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    total_limit: u32,
    /// `None` if addresses have no limit of their own.
    address_limit: Option<u32>,
    in_use: Mutex<InUse>,
}

#[derive(Debug, Default)]
struct InUse {
    total: u32,
    /// Counts per address. An entry is removed at zero.
    per_address: HashMap<ClientAddress, u32>,
}

/// The limit that refused a connection, socket or stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitReached {
    /// The server's total limit.
    Total,
    /// The limit of one address.
    PerAddress,
}

/// A counted connection, socket or stream. Dropping it releases the count.
#[derive(Debug)]
pub(super) struct Permit {
    shared: Arc<Shared>,
    is_connection: bool,
    address: Option<ClientAddress>,
}

impl ConnectionLimiter {
    /// Creates a limiter. `address_limit` is `None` for no limit per address.
    pub(super) fn new(total_limit: u32, address_limit: Option<u32>) -> Self {
        Self(Arc::new(Shared {
            total_limit,
            address_limit,
            in_use: Mutex::default(),
        }))
    }

    /// Counts a connection in total, and for `address` if one is given.
    pub(super) fn acquire_connection(
        &self,
        address: Option<ClientAddress>,
    ) -> Result<Permit, LimitReached> {
        let mut in_use = self.0.in_use.lock();
        if in_use.total >= self.0.total_limit {
            return Err(LimitReached::Total);
        }
        self.0.count_address(&mut in_use, address)?;
        in_use.total += 1;
        Ok(self.permit(true, address))
    }

    /// Counts a socket or stream for `address` only, because its connection is shared with other
    /// clients and counted already.
    pub(super) fn acquire_for_address(
        &self,
        address: ClientAddress,
    ) -> Result<Permit, LimitReached> {
        self.0
            .count_address(&mut self.0.in_use.lock(), Some(address))?;
        Ok(self.permit(false, Some(address)))
    }

    fn permit(&self, is_connection: bool, address: Option<ClientAddress>) -> Permit {
        Permit {
            shared: Arc::clone(&self.0),
            is_connection,
            address,
        }
    }
}

impl Shared {
    fn count_address(
        &self,
        in_use: &mut InUse,
        address: Option<ClientAddress>,
    ) -> Result<(), LimitReached> {
        let Some(address) = address else {
            return Ok(());
        };
        let count = in_use.per_address.get(&address).copied().unwrap_or(0);
        if self.address_limit.is_some_and(|limit| count >= limit) {
            return Err(LimitReached::PerAddress);
        }
        in_use.per_address.insert(address, count + 1);
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut in_use = self.shared.in_use.lock();
        in_use.total -= u32::from(self.is_connection);
        let Some(address) = self.address else {
            return;
        };
        match in_use.per_address.get_mut(&address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                in_use.per_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn address(text: &str) -> ClientAddress {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn released_permit_is_reusable_and_leaves_no_entry() {
        let limiter = ConnectionLimiter::new(3, Some(2));
        let (ada, bob) = (address("192.0.2.1"), address("192.0.2.2"));
        let first = limiter.acquire_connection(Some(ada)).unwrap();
        let second = limiter.acquire_connection(Some(ada)).unwrap();
        assert_eq!(
            limiter.acquire_connection(Some(ada)).unwrap_err(),
            LimitReached::PerAddress
        );
        let third = limiter.acquire_connection(Some(bob)).unwrap();
        assert_eq!(
            limiter.acquire_connection(None).unwrap_err(),
            LimitReached::Total
        );
        drop(first);
        let again = limiter.acquire_connection(Some(ada)).unwrap();
        assert_eq!(
            limiter.acquire_connection(Some(bob)).unwrap_err(),
            LimitReached::Total
        );
        drop((second, third, again));
        let in_use = limiter.0.in_use.lock();
        assert_eq!((in_use.total, in_use.per_address.len()), (0, 0));
    }

    #[test]
    fn shared_connection_counts_for_its_address_and_not_in_total() {
        let limiter = ConnectionLimiter::new(1, Some(1));
        let proxy = limiter.acquire_connection(None).unwrap();
        let ada = limiter.acquire_for_address(address("192.0.2.1")).unwrap();
        let again = limiter.acquire_for_address(address("192.0.2.1"));
        assert_eq!(again.unwrap_err(), LimitReached::PerAddress);
        let bob = limiter.acquire_for_address(address("192.0.2.2")).unwrap();
        drop((proxy, ada, bob));
        assert_eq!(limiter.0.in_use.lock().total, 0);
    }

    #[test]
    fn ipv6_64_prefix_and_mapped_ipv4_count_as_one_address() {
        let limiter = ConnectionLimiter::new(9, Some(1));
        let _here = limiter
            .acquire_connection(Some(address("2001:db8::1")))
            .unwrap();
        let near = limiter.acquire_connection(Some(address("2001:db8::ffff:0:0:2")));
        assert_eq!(near.unwrap_err(), LimitReached::PerAddress);
        let _far = limiter
            .acquire_connection(Some(address("2001:db8:0:1::1")))
            .unwrap();
        let _old = limiter
            .acquire_connection(Some(address("192.0.2.1")))
            .unwrap();
        let mapped = limiter.acquire_connection(Some(address("::ffff:192.0.2.1")));
        assert_eq!(mapped.unwrap_err(), LimitReached::PerAddress);
    }

    #[test]
    fn address_without_a_limit_may_use_all_places() {
        let limiter = ConnectionLimiter::new(100, None);
        let all = (0..100).map(|_| limiter.acquire_connection(Some(address("192.0.2.1"))));
        assert!(all.collect::<Vec<_>>().iter().all(Result::is_ok));
    }
}
