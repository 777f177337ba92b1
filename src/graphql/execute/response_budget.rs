//! The budget of an execution: what it may read from the store, and the texts that it may hold.
//!
//! Complexity is computed before an operation is executed, and cannot know the lengths of texts. A
//! long comment under many aliases is held many times, and a page under many aliases is read many
//! times. The bytes of the response itself are counted as they are written.
//!
//! All of it is reserved from the process's budget too, until the execution has ended.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use parking_lot::Mutex;

use crate::{
    error::Error,
    memory::{Account, Reservation},
    store::Allowance,
};

/// Maximum size of the texts in a response to a query or mutation: a page of the longest comments.
const MAX_TEXT_BYTES: usize = 4 * 1024 * 1024;
/// Size of what a query or mutation reads in pages, at which its pages end early: two pages of the
/// longest comments.
const MAX_READ_BYTES: usize = 8 * 1024 * 1024;

/// About how many bytes of memory the result of a field takes, while it is resolved and after.
const FIELD_BYTES: usize = 400;

/// The numbers of bytes that may still be read and held.
#[derive(Debug)]
pub(crate) struct ResponseBudget {
    text: AtomicUsize,
    read: AtomicUsize,
    memory: Mutex<Reservation>,
    account: Account,
    is_overloaded: AtomicBool,
}

impl ResponseBudget {
    /// Creates the budget of a query or mutation, for which `memory` was reserved.
    pub(super) fn of_request(memory: Reservation) -> Arc<Self> {
        Self::new(memory, MAX_TEXT_BYTES, MAX_READ_BYTES)
    }

    /// Creates the budget of the rendering of an event with at most `bytes` bytes.
    pub(super) fn of_event(memory: Reservation, bytes: usize) -> Arc<Self> {
        Self::new(memory, bytes, bytes)
    }

    fn new(memory: Reservation, text: usize, read: usize) -> Arc<Self> {
        Arc::new(Self {
            // One byte more, so that zero means that more than `text` was requested.
            text: text.saturating_add(1).into(),
            read: read.into(),
            account: memory.account().clone(),
            memory: Mutex::new(memory),
            is_overloaded: AtomicBool::new(false),
        })
    }

    /// Returns the account that the execution's memory is reserved from.
    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// Returns true if a request exceeded the budget of texts.
    pub(super) fn is_spent(&self) -> bool {
        self.text.load(Ordering::Relaxed) == 0
    }

    /// Returns true if the process had too little memory left for the execution.
    pub(super) fn is_overloaded(&self) -> bool {
        self.is_overloaded.load(Ordering::Relaxed)
    }

    /// Takes a text of `bytes` bytes that is held once more.
    ///
    /// # Errors
    ///
    /// Returns `TooLarge` if less is left. The budget is spent then, and each further call fails. Fails
    /// too if the memory cannot be reserved.
    pub(crate) fn take_text(&self, bytes: usize) -> Result<(), Error> {
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        let less = |left: usize| Some(left.saturating_sub(bytes));
        let before = self.text.fetch_update(success, failure, less);
        if before.is_ok_and(|before| bytes < before) {
            self.reserve(bytes)
        } else {
            Err(Error::TooLarge("The answer would hold too much text."))
        }
    }

    /// Takes a single object that was read.
    ///
    /// # Errors
    ///
    /// Returns `TooLarge` if less is left. Fails too if the memory cannot be reserved.
    pub(crate) fn take_object(&self, bytes: usize) -> Result<(), Error> {
        if self.take(bytes)? {
            Ok(())
        } else {
            Err(Error::TooLarge("The operation would read too much."))
        }
    }

    /// Takes the results of `fields` fields, beside their texts.
    ///
    /// # Errors
    ///
    /// Fails if the memory cannot be reserved.
    pub(crate) fn take_fields(&self, fields: usize) -> Result<(), Error> {
        self.reserve(fields.saturating_mul(FIELD_BYTES))
    }

    fn reserve(&self, bytes: usize) -> Result<(), Error> {
        self.memory.lock().grow(bytes).inspect_err(|_| {
            self.is_overloaded.store(true, Ordering::Relaxed);
        })
    }
}

impl Allowance for ResponseBudget {
    fn take(&self, bytes: usize) -> Result<bool, Error> {
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        let less = |left: usize| left.checked_sub(bytes);
        if self.read.fetch_update(success, failure, less).is_err() {
            return Ok(false);
        }
        self.reserve(bytes).map(|()| true)
    }

    fn give_back(&self, bytes: usize) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
        let mut memory = self.memory.lock();
        let left = memory.bytes().saturating_sub(bytes);
        memory.shrink_to(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryBudget;

    fn budget(memory: &MemoryBudget, bytes: usize) -> Arc<ResponseBudget> {
        ResponseBudget::of_event(memory.events().empty(), bytes)
    }

    #[test]
    fn budget_of_texts_is_exact() {
        let budget = budget(&MemoryBudget::new(1000), 10);
        assert!(budget.take_text(4).is_ok() && budget.take_text(6).is_ok());
        assert!(budget.take_text(0).is_ok() && !budget.is_spent());
        assert!(budget.take_text(1).is_err() && budget.is_spent());
        assert!(budget.take_text(1).is_err() && !budget.is_overloaded());
    }

    #[test]
    fn page_of_the_longest_comments_fits_the_budget() {
        use crate::graphql::schema::page::MAX_FIRST;
        use crate::model::{Comment, MAX_BODY_CHARS};
        let longest = MAX_BODY_CHARS * char::MAX.len_utf8();
        let memory = MemoryBudget::new(1024 * 1024 * 1024);
        let budget = ResponseBudget::of_request(memory.requests(None).empty());
        for _ in 0..MAX_FIRST {
            assert!(budget.take_text(longest).is_ok());
            let comment = longest + size_of::<Comment>() + 2048;
            assert!(budget.take(comment).unwrap());
        }
    }

    #[test]
    fn reading_ends_with_the_budget_and_returned_bytes_are_reusable() {
        let memory = MemoryBudget::new(1000);
        let budget = budget(&memory, 30);
        assert!(budget.take(20).unwrap());
        assert!(!budget.take(20).unwrap());
        assert!(budget.take_object(20).is_err());
        assert!(budget.take(10).unwrap());
        assert_eq!(memory.used(), 30);
        budget.give_back(30);
        assert!(budget.take_object(20).is_ok());
        drop(budget);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn process_without_memory_fails_the_execution_and_ends_no_page() {
        let memory = MemoryBudget::new(20);
        let budget = budget(&memory, 100);
        assert!(budget.take(20).unwrap() && !budget.is_overloaded());
        assert!(matches!(budget.take(1), Err(Error::Overloaded)));
        assert!(matches!(budget.take_text(1), Err(Error::Overloaded)));
        assert!(budget.is_overloaded() && !budget.is_spent());
    }
}
