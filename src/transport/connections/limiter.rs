//! How many connections there may be: in all, and from one address.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::model::ClientAddress;

/// The places of one server. Cloning it gives the same.
#[derive(Clone, Debug)]
pub(super) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    in_all: u32,
    /// `None` where an address may have as many as there are.
    by_address: Option<u32>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    in_all: u32,
    /// Only those addresses that have places.
    by_address: HashMap<ClientAddress, u32>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// All are taken.
    InAll,
    /// The address has as many as it may have.
    ByAddress,
}

/// A place that is taken, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
    is_connection: bool,
    address: Option<ClientAddress>,
}

impl Places {
    pub(super) fn new(in_all: u32, by_address: Option<u32>) -> Self {
        Self(Arc::new(Shared {
            in_all,
            by_address,
            taken: Mutex::default(),
        }))
    }

    /// A place for a connection; its address is counted where one is given.
    pub(super) fn connection(&self, address: Option<ClientAddress>) -> Result<Place, Full> {
        let mut taken = self.0.taken.lock();
        if taken.in_all >= self.0.in_all {
            return Err(Full::InAll);
        }
        self.0.count(&mut taken, address)?;
        taken.in_all += 1;
        Ok(self.place(true, address))
    }

    /// A place for what an address has on a connection that it shares with others.
    pub(super) fn shared(&self, address: ClientAddress) -> Result<Place, Full> {
        self.0.count(&mut self.0.taken.lock(), Some(address))?;
        Ok(self.place(false, Some(address)))
    }

    fn place(&self, is_connection: bool, address: Option<ClientAddress>) -> Place {
        Place {
            shared: Arc::clone(&self.0),
            is_connection,
            address,
        }
    }
}

impl Shared {
    fn count(&self, taken: &mut Taken, address: Option<ClientAddress>) -> Result<(), Full> {
        let Some(address) = address else {
            return Ok(());
        };
        let has = taken.by_address.get(&address).copied().unwrap_or(0);
        if self.by_address.is_some_and(|most| has >= most) {
            return Err(Full::ByAddress);
        }
        taken.by_address.insert(address, has + 1);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.shared.taken.lock();
        taken.in_all -= u32::from(self.is_connection);
        let Some(address) = self.address else {
            return;
        };
        match taken.by_address.get_mut(&address) {
            Some(has) if *has > 1 => *has -= 1,
            _ => {
                taken.by_address.remove(&address);
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
    fn released_place_is_reusable_and_leaves_no_entry() {
        let places = Places::new(3, Some(2));
        let (ada, bob) = (address("192.0.2.1"), address("192.0.2.2"));
        let first = places.connection(Some(ada)).unwrap();
        let second = places.connection(Some(ada)).unwrap();
        assert_eq!(places.connection(Some(ada)).unwrap_err(), Full::ByAddress);
        let third = places.connection(Some(bob)).unwrap();
        assert_eq!(places.connection(None).unwrap_err(), Full::InAll);
        drop(first);
        let again = places.connection(Some(ada)).unwrap();
        assert_eq!(places.connection(Some(bob)).unwrap_err(), Full::InAll);
        drop((second, third, again));
        let taken = places.0.taken.lock();
        assert_eq!((taken.in_all, taken.by_address.len()), (0, 0));
    }

    #[test]
    fn shared_connection_counts_for_its_address_and_not_in_total() {
        let places = Places::new(1, Some(1));
        let proxy = places.connection(None).unwrap();
        let ada = places.shared(address("192.0.2.1")).unwrap();
        let again = places.shared(address("192.0.2.1"));
        assert_eq!(again.unwrap_err(), Full::ByAddress);
        let bob = places.shared(address("192.0.2.2")).unwrap();
        drop((proxy, ada, bob));
        assert_eq!(places.0.taken.lock().in_all, 0);
    }

    #[test]
    fn ipv6_64_prefix_and_mapped_ipv4_count_as_one_address() {
        let places = Places::new(9, Some(1));
        let _here = places.connection(Some(address("2001:db8::1"))).unwrap();
        let near = places.connection(Some(address("2001:db8::ffff:0:0:2")));
        assert_eq!(near.unwrap_err(), Full::ByAddress);
        let _far = places.connection(Some(address("2001:db8:0:1::1"))).unwrap();
        let _old = places.connection(Some(address("192.0.2.1"))).unwrap();
        let mapped = places.connection(Some(address("::ffff:192.0.2.1")));
        assert_eq!(mapped.unwrap_err(), Full::ByAddress);
    }

    #[test]
    fn address_without_a_limit_may_use_all_places() {
        let places = Places::new(100, None);
        let all = (0..100).map(|_| places.connection(Some(address("192.0.2.1"))));
        assert!(all.collect::<Vec<_>>().iter().all(Result::is_ok));
    }
}
