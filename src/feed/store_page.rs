//! A page of the store that a subscriber reads while it catches up.

use std::sync::Arc;

use parking_lot::Mutex;

use super::join::Feed;
use crate::{
    error::Error,
    memory::{Account, Reservation},
    store::{Allowance, Store},
};

/// Maximum size of a page of a catch-up, in bytes. A page has one entry at least.
const PAGE_BYTES: usize = 64 * 1024;

/// A page of the store that is to be read. Its memory stays reserved until this is dropped.
#[derive(Debug)]
pub struct StorePage<'a> {
    /// The store.
    pub store: &'a Store,
    /// Maximum number of entries.
    pub first: u64,
    /// The bytes that may be read.
    pub allowance: Arc<dyn Allowance>,
}

/// The allowance of one page.
#[derive(Debug)]
struct PageAllowance(Mutex<Reservation>);

impl<'a> StorePage<'a> {
    /// Creates the next page of a subscriber, whose memory is reserved from `account`.
    pub(super) fn new(feed: &'a Feed, account: &Account) -> Self {
        Self {
            store: &feed.store,
            first: feed.page,
            allowance: Arc::new(PageAllowance(Mutex::new(account.empty()))),
        }
    }
}

impl Allowance for PageAllowance {
    fn take(&self, bytes: usize) -> Result<bool, Error> {
        let mut memory = self.0.lock();
        let taken = memory.bytes();
        if taken > 0 && taken.saturating_add(bytes) > PAGE_BYTES {
            return Ok(false);
        }
        memory.grow(bytes).map(|()| true)
    }

    fn give_back(&self, bytes: usize) {
        let mut memory = self.0.lock();
        let left = memory.bytes().saturating_sub(bytes);
        memory.shrink_to(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_has_one_entry_at_least_and_ends_at_its_size() {
        let memory = Account::separate(10 * PAGE_BYTES);
        let page = PageAllowance(Mutex::new(memory.empty()));
        assert!(page.take(2 * PAGE_BYTES).unwrap());
        assert!(!page.take(1).unwrap());
        page.give_back(2 * PAGE_BYTES);
        assert!(page.take(PAGE_BYTES).unwrap());
        assert!(!page.take(1).unwrap());
        drop(page);
        assert_eq!(memory.used(), 0);
    }
}
