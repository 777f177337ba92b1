//! The process's budget of memory: the bytes that clients make it hold.
//!
//! Counted is what clients can multiply: requests that arrive, what executions read and write, and
//! responses and events until the last client has taken them. Beyond the budget a request is refused,
//! and an event waits.

mod default_limit;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

pub use self::default_limit::default_limit;
use crate::{error::Error, model::ClientAddress};

/// The least that requests of one address may hold: what the largest operation takes.
const MIN_ADDRESS: usize = 40 * 1024 * 1024;
/// Retry hint for an address that holds its part.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The budget of a process. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryBudget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Three quarters of the budget: for requests, and for subscribers that catch up.
    requests: Pool,
    /// A quarter of it, which requests cannot use up.
    events: Pool,
    /// The number of bytes that requests of one address may hold.
    address_limit: usize,
    /// Bytes of each address. An entry is removed at zero.
    addresses: Mutex<HashMap<ClientAddress, usize>>,
}

/// A part of the budget that does not depend on the other.
#[derive(Debug)]
pub struct Pool {
    limit: usize,
    used: AtomicUsize,
    refused: AtomicU64,
}

/// An account of the budget: that of an address, of requests from nowhere, or of events.
#[derive(Clone, Debug)]
pub struct Account {
    shared: Arc<Shared>,
    owner: Owner,
}

#[derive(Clone, Copy, Debug)]
enum Owner {
    Requests(Option<ClientAddress>),
    Events,
}

/// Reserved bytes. Dropping it releases them.
#[derive(Debug)]
pub struct Reservation {
    account: Account,
    bytes: usize,
}

impl MemoryBudget {
    /// Creates a budget of `limit` bytes in which each address has a limit of its own.
    pub fn new(limit: usize) -> Self {
        Self::with(limit, (limit / 4).max(MIN_ADDRESS))
    }

    /// Creates a budget of `limit` bytes in which addresses have no limit.
    pub fn without_addresses(limit: usize) -> Self {
        Self::with(limit, usize::MAX)
    }

    fn with(limit: usize, address_limit: usize) -> Self {
        let events = limit / 4;
        Self(Arc::new(Shared {
            requests: Pool::new(limit - events),
            events: Pool::new(events),
            address_limit,
            addresses: Mutex::default(),
        }))
    }

    /// Returns the account of requests from `address`.
    pub fn of_requests(&self, address: Option<ClientAddress>) -> Account {
        let is_limited = self.0.address_limit < usize::MAX;
        Account {
            owner: Owner::Requests(address.filter(|_| is_limited)),
            shared: Arc::clone(&self.0),
        }
    }

    /// Returns the account of events.
    pub fn of_events(&self) -> Account {
        Account {
            owner: Owner::Events,
            shared: Arc::clone(&self.0),
        }
    }

    /// Returns the part of requests.
    pub fn requests(&self) -> &Pool {
        &self.0.requests
    }

    /// Returns the part of events.
    pub fn events(&self) -> &Pool {
        &self.0.events
    }

    /// Returns the number of bytes in the budget.
    pub fn limit(&self) -> usize {
        self.0.requests.limit + self.0.events.limit
    }

    /// Returns the number of bytes that are reserved now.
    pub fn used(&self) -> usize {
        self.0.requests.used() + self.0.events.used()
    }
}

impl Pool {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            used: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Returns the number of bytes in it.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the number of bytes that are reserved now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Returns the number of reservations that were refused, those of addresses included.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> Result<(), Error> {
        let add = |used: usize| {
            let used = used.checked_add(bytes)?;
            (used <= self.limit).then_some(used)
        };
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        let added = self.used.fetch_update(success, failure, add);
        added.map(drop).map_err(|_| Error::Overloaded)
    }

    fn release(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Shared {
    fn take_for_address(&self, address: ClientAddress, bytes: usize) -> Result<(), Error> {
        let mut addresses = self.addresses.lock();
        let used = addresses.get(&address).copied().unwrap_or_default();
        let used = used.saturating_add(bytes);
        if used > self.address_limit {
            return Err(Error::RateLimited {
                retry_after: RETRY_AFTER,
            });
        }
        addresses.insert(address, used);
        Ok(())
    }

    fn release_for_address(&self, address: ClientAddress, bytes: usize) {
        let mut addresses = self.addresses.lock();
        if let Some(used) = addresses.get_mut(&address) {
            *used -= bytes;
            if *used == 0 {
                addresses.remove(&address);
            }
        }
    }
}

impl Account {
    /// Creates an account that has `limit` bytes of its own.
    pub fn separate(limit: usize) -> Self {
        let budget = MemoryBudget(Arc::new(Shared {
            requests: Pool::new(limit),
            events: Pool::new(0),
            address_limit: usize::MAX,
            addresses: Mutex::default(),
        }));
        budget.of_requests(None)
    }

    /// Returns the number of bytes that are reserved now, by this account and others of its part.
    pub fn used(&self) -> usize {
        self.pool().used()
    }

    /// Reserves `bytes` bytes.
    ///
    /// # Errors
    ///
    /// Returns `Overloaded` if the process has too little left, and `RateLimited` if the address has.
    pub fn reserve(&self, bytes: usize) -> Result<Reservation, Error> {
        let mut reservation = self.empty();
        reservation.grow(bytes)?;
        Ok(reservation)
    }

    /// Returns a reservation of nothing, which may grow.
    pub fn empty(&self) -> Reservation {
        Reservation {
            account: self.clone(),
            bytes: 0,
        }
    }

    fn pool(&self) -> &Pool {
        match self.owner {
            Owner::Requests(_) => &self.shared.requests,
            Owner::Events => &self.shared.events,
        }
    }

    fn address(&self) -> Option<ClientAddress> {
        match self.owner {
            Owner::Requests(address) => address,
            Owner::Events => None,
        }
    }

    fn take(&self, bytes: usize) -> Result<(), Error> {
        let (pool, shared) = (self.pool(), &self.shared);
        let taken = pool.take(bytes).and_then(|()| match self.address() {
            Some(address) => shared
                .take_for_address(address, bytes)
                .inspect_err(|_| pool.release(bytes)),
            None => Ok(()),
        });
        taken.inspect_err(|_| {
            pool.refused.fetch_add(1, Ordering::Relaxed);
        })
    }

    fn release(&self, bytes: usize) {
        self.pool().release(bytes);
        if let Some(address) = self.address() {
            self.shared.release_for_address(address, bytes);
        }
    }
}

impl Reservation {
    /// Returns the number of reserved bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the account that it belongs to.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Reserves `bytes` bytes more.
    ///
    /// # Errors
    ///
    /// Fails as [`Account::reserve`] does. What was reserved before stays.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Error> {
        if bytes > 0 {
            self.account.take(bytes)?;
            self.bytes += bytes;
        }
        Ok(())
    }

    /// Reserves more or releases some, so that it has `bytes` bytes.
    ///
    /// # Errors
    ///
    /// Fails as [`Account::reserve`] does.
    pub fn resize(&mut self, bytes: usize) -> Result<(), Error> {
        self.shrink_to(bytes);
        self.grow(bytes - self.bytes)
    }

    /// Releases all but `bytes` bytes.
    pub fn shrink_to(&mut self, bytes: usize) {
        let excess = self.bytes.saturating_sub(bytes);
        if excess > 0 {
            self.account.release(excess);
            self.bytes -= excess;
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::config::MIN_MEMORY;

    const MIB: usize = 1024 * 1024;

    fn address(text: &str) -> Option<ClientAddress> {
        Some(text.parse::<IpAddr>().unwrap().into())
    }

    #[test]
    fn address_has_a_part_and_neither_pool_uses_up_the_other() {
        let memory = MemoryBudget::new(800 * MIB);
        let ada = memory.of_requests(address("192.0.2.1"));
        let all = ada.reserve(200 * MIB).unwrap();
        let more = ada.reserve(1).unwrap_err();
        assert!(matches!(more, Error::RateLimited { .. }), "{more:?}");
        let others = memory.of_requests(None).reserve(400 * MIB).unwrap();
        let bob = memory.of_requests(address("192.0.2.2"));
        assert!(matches!(bob.reserve(1), Err(Error::Overloaded)));
        let events = memory.of_events().reserve(200 * MIB).unwrap();
        let more = memory.of_events().reserve(1);
        assert!(matches!(more, Err(Error::Overloaded)));
        assert_eq!((memory.used(), memory.limit()), (800 * MIB, 800 * MIB));
        assert_eq!(
            (memory.requests().refused(), memory.events().refused()),
            (2, 1)
        );
        drop(all);
        drop(bob.reserve(200 * MIB).unwrap());
        drop((events, others));
        assert_eq!(memory.used(), 0);
        assert!(memory.0.addresses.lock().is_empty());
    }

    #[test]
    fn address_may_hold_the_largest_operation_of_any_budget() {
        let memory = MemoryBudget::new(MIN_MEMORY);
        let account = memory.of_requests(address("192.0.2.1"));
        drop(account.reserve(MIN_ADDRESS).unwrap());
        assert!(account.reserve(MIN_ADDRESS + 1).is_err());
    }

    #[test]
    fn reservation_grows_and_shrinks_and_keeps_what_it_has() {
        let memory = MemoryBudget::without_addresses(400);
        let account = memory.of_requests(address("192.0.2.1"));
        let mut reservation = account.reserve(200).unwrap();
        reservation.grow(100).unwrap();
        assert!(matches!(reservation.grow(1), Err(Error::Overloaded)));
        assert_eq!((reservation.bytes(), memory.used()), (300, 300));
        reservation.shrink_to(30);
        reservation.shrink_to(50);
        assert_eq!((reservation.bytes(), memory.used()), (30, 30));
        reservation.resize(50).unwrap();
        reservation.resize(40).unwrap();
        assert_eq!((reservation.bytes(), memory.used()), (40, 40));
    }
}
