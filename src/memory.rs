//! The process's budget of memory: the bytes that clients make it hold.
//!
//! Counted is what clients can multiply: requests that arrive, what executions read and write, and
//! responses and events until the last client has taken them. Nothing waits for memory: beyond the
//! budget work is refused.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

use crate::{error::Error, model::ClientAddress};

/// The part of the budget that requests of all addresses may hold. The rest is for events, so that
/// requests cannot stop them.
const REQUESTS: (usize, usize) = (3, 4);
/// The part of the budget that requests of one address may hold.
const ADDRESS: (usize, usize) = (1, 4);
/// The part of the budget that is assumed where the machine's memory is unknown.
const DEFAULT_LIMIT: usize = 512 * 1024 * 1024;
/// Retry hint for an address that holds its part.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The budget of a process. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryBudget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: usize,
    used: AtomicUsize,
    refused: AtomicU64,
    /// Bytes of each address. An entry is removed at zero. `None` if addresses have no limit.
    addresses: Option<Mutex<HashMap<ClientAddress, usize>>>,
}

/// An account of the budget: that of an address, of requests from nowhere, or of events.
#[derive(Clone, Debug)]
pub struct Account {
    shared: Arc<Shared>,
    limit: usize,
    address: Option<ClientAddress>,
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
        Self::with(limit, Some(Mutex::default()))
    }

    /// Creates a budget of `limit` bytes in which addresses have no limit.
    pub fn without_addresses(limit: usize) -> Self {
        Self::with(limit, None)
    }

    fn with(limit: usize, addresses: Option<Mutex<HashMap<ClientAddress, usize>>>) -> Self {
        Self(Arc::new(Shared {
            limit,
            used: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            addresses,
        }))
    }

    /// Returns the account of requests from `address`.
    pub fn requests(&self, address: Option<ClientAddress>) -> Account {
        let is_limited = self.0.addresses.is_some();
        Account {
            limit: part(self.0.limit, REQUESTS),
            address: address.filter(|_| is_limited),
            shared: Arc::clone(&self.0),
        }
    }

    /// Returns the account of events.
    pub fn events(&self) -> Account {
        Account {
            limit: self.0.limit,
            address: None,
            shared: Arc::clone(&self.0),
        }
    }

    /// Returns the number of bytes in the budget.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Returns the number of bytes that are reserved now.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Returns the number of reservations that were refused.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }
}

impl Account {
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

    fn take(&self, bytes: usize) -> Result<(), Error> {
        let of_address = self.take_for_address(bytes);
        let taken = of_address.and_then(|()| {
            self.take_for_process(bytes)
                .inspect_err(|_| self.release_for_address(bytes))
        });
        taken.inspect_err(|_| {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
        })
    }

    fn take_for_process(&self, bytes: usize) -> Result<(), Error> {
        let add = |used: usize| {
            let used = used.checked_add(bytes)?;
            (used <= self.limit).then_some(used)
        };
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        let added = self.shared.used.fetch_update(success, failure, add);
        added.map(drop).map_err(|_| Error::Overloaded)
    }

    fn take_for_address(&self, bytes: usize) -> Result<(), Error> {
        let (Some(address), Some(addresses)) = (self.address, &self.shared.addresses) else {
            return Ok(());
        };
        let mut addresses = addresses.lock();
        let used = addresses.get(&address).copied().unwrap_or_default();
        let used = used.saturating_add(bytes);
        if used > part(self.shared.limit, ADDRESS) {
            return Err(Error::RateLimited {
                retry_after: RETRY_AFTER,
            });
        }
        addresses.insert(address, used);
        Ok(())
    }

    fn release(&self, bytes: usize) {
        self.shared.used.fetch_sub(bytes, Ordering::Relaxed);
        self.release_for_address(bytes);
    }

    fn release_for_address(&self, bytes: usize) {
        let (Some(address), Some(addresses)) = (self.address, &self.shared.addresses) else {
            return;
        };
        let mut addresses = addresses.lock();
        if let Some(used) = addresses.get_mut(&address) {
            *used -= bytes;
            if *used == 0 {
                addresses.remove(&address);
            }
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

/// Returns the default limit: half of the memory of the machine or of the process's control group,
/// whichever is less.
pub fn default_limit() -> usize {
    let bytes = available().and_then(|bytes| usize::try_from(bytes / 2).ok());
    bytes.filter(|bytes| *bytes > 0).unwrap_or(DEFAULT_LIMIT)
}

fn available() -> Option<u64> {
    let mut system = System::new().ok()?;
    system.refresh_memory();
    let machine = system.total_memory();
    let own = sysinfo::get_current_pid().ok()?;
    let which = ProcessesToUpdate::Some(&[own]);
    system.refresh_processes_specifics(which, false, ProcessRefreshKind::nothing());
    let group = system.process(own)?.cgroup_limits();
    Some(group.map_or(machine, |group| machine.min(group.total_memory)))
}

fn part(limit: usize, (numerator, denominator): (usize, usize)) -> usize {
    limit / denominator * numerator
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn address(text: &str) -> Option<ClientAddress> {
        Some(text.parse::<IpAddr>().unwrap().into())
    }

    #[test]
    fn address_has_a_part_and_requests_leave_the_rest_to_events() {
        let memory = MemoryBudget::new(800);
        let ada = memory.requests(address("192.0.2.1"));
        let all = ada.reserve(200).unwrap();
        let more = ada.reserve(1).unwrap_err();
        assert!(matches!(more, Error::RateLimited { .. }), "{more:?}");
        let others = memory.requests(None).reserve(400).unwrap();
        let bob = memory.requests(address("192.0.2.2"));
        assert!(matches!(bob.reserve(1), Err(Error::Overloaded)));
        let events = memory.events().reserve(200).unwrap();
        assert!(matches!(memory.events().reserve(1), Err(Error::Overloaded)));
        assert_eq!((memory.used(), memory.refused()), (800, 3));
        drop(all);
        drop(bob.reserve(1).unwrap_err());
        drop(events);
        drop(bob.reserve(200).unwrap());
        drop(others);
        assert_eq!(memory.used(), 0);
        assert!(memory.0.addresses.as_ref().unwrap().lock().is_empty());
    }

    #[test]
    fn reservation_grows_and_shrinks_and_keeps_what_it_has() {
        let memory = MemoryBudget::new(800);
        let account = memory.requests(address("192.0.2.1"));
        let mut reservation = account.reserve(160).unwrap();
        reservation.grow(40).unwrap();
        reservation.grow(1).unwrap_err();
        assert_eq!((reservation.bytes(), memory.used()), (200, 200));
        reservation.shrink_to(30);
        reservation.shrink_to(50);
        assert_eq!((reservation.bytes(), memory.used()), (30, 30));
    }

    #[test]
    fn address_without_a_limit_may_hold_all_that_requests_may() {
        let memory = MemoryBudget::without_addresses(800);
        let account = memory.requests(address("192.0.2.1"));
        drop(account.reserve(600).unwrap());
        assert!(matches!(account.reserve(601), Err(Error::Overloaded)));
    }

    #[test]
    fn default_limit_is_at_most_half_of_the_machine() {
        let mut system = System::new().unwrap();
        system.refresh_memory();
        let half = usize::try_from(system.total_memory() / 2).unwrap();
        let limit = default_limit();
        assert!(limit > 0 && limit <= half, "{limit} of {half}");
    }
}
