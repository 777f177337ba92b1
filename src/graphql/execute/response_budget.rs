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
use tokio::sync::Semaphore;

use super::operation::OperationKind;
use crate::{
    error::Error,
    memory::{Account, Reservation},
    store::Allowance,
};

/// Size of what a query or mutation reads, at which its pages end early: a page of the longest comments
/// and half a megabyte.
const MAX_READ_BYTES: usize = 4_500 * 1024;
/// Maximum size of the texts in a response to a query or mutation. All that was read fits once. Only an
/// operation that shows a text several times exceeds it.
const MAX_TEXT_BYTES: usize = MAX_READ_BYTES;
/// Maximum number of statements of the rendering of an event at once.
const EVENT_STATEMENTS: usize = 2;
/// Number of bytes that are reserved at a time.
const BLOCK: usize = 16 * 1024;

/// About how many bytes of memory the result of a field takes, while it is resolved and after.
const FIELD_BYTES: usize = 400;

/// The numbers of bytes that may still be read and held.
#[derive(Debug)]
pub(crate) struct ResponseBudget {
    text: AtomicUsize,
    read: AtomicUsize,
    memory: Mutex<Memory>,
    /// The turns in which statements may be begun.
    turns: Arc<Semaphore>,
    /// The operation has changed something, so it cannot be refused for memory any more.
    is_mutation: bool,
    is_overloaded: AtomicBool,
}

/// The memory of an execution.
#[derive(Debug)]
struct Memory {
    reserved: Reservation,
    /// The number of bytes of it that are in use.
    used: usize,
}

impl ResponseBudget {
    /// Creates the budget of a query or mutation, for which `memory` was reserved. It reads the store in
    /// `turns`.
    pub(super) fn of_request(
        memory: Reservation,
        kind: OperationKind,
        turns: Arc<Semaphore>,
    ) -> Arc<Self> {
        Self::new(memory, kind, turns, MAX_READ_BYTES, MAX_TEXT_BYTES)
    }

    /// Creates the budget of the rendering of an event with at most `bytes` bytes.
    pub(super) fn of_event(memory: Reservation, bytes: usize) -> Arc<Self> {
        let turns = Arc::new(Semaphore::new(EVENT_STATEMENTS));
        Self::new(memory, OperationKind::Subscription, turns, bytes, bytes)
    }

    fn new(
        memory: Reservation,
        kind: OperationKind,
        turns: Arc<Semaphore>,
        read: usize,
        text: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            // One byte more, so that zero means that more than `text` was requested.
            text: text.saturating_add(1).into(),
            read: read.into(),
            turns,
            memory: Mutex::new(Memory {
                used: memory.bytes(),
                reserved: memory,
            }),
            is_mutation: kind == OperationKind::Mutation,
            is_overloaded: AtomicBool::new(false),
        })
    }

    /// Reads the store in its turn. `reading` builds its statement only then, because thousands may wait.
    pub(crate) async fn in_turn<T>(&self, reading: impl Future<Output = T>) -> T {
        let _turn = self.turns.acquire().await.ok();
        reading.await
    }

    /// Returns the account that the execution's memory is reserved from.
    pub(super) fn account(&self) -> Account {
        self.memory.lock().reserved.account().clone()
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

    /// Converts an error of memory to what the client may be told. A mutation has done its work, so its
    /// client must not be told to send it again.
    pub(super) fn refusal(&self, error: Error) -> Error {
        match error {
            Error::Overloaded | Error::RateLimited { .. } if self.is_mutation => {
                Error::TooLarge("It was done, and there is no memory to show the result.")
            }
            other => other,
        }
    }

    fn reserve(&self, bytes: usize) -> Result<(), Error> {
        let mut memory = self.memory.lock();
        let used = memory.used.saturating_add(bytes);
        let missing = used.saturating_sub(memory.reserved.bytes());
        if missing > 0 {
            let grown = memory.reserved.grow(missing.next_multiple_of(BLOCK));
            // Near the limit a smaller step may do.
            grown
                .or_else(|_| memory.reserved.grow(missing))
                .map_err(|error| {
                    self.is_overloaded.store(true, Ordering::Relaxed);
                    self.refusal(error)
                })?;
        }
        memory.used = used;
        Ok(())
    }
}

impl Allowance for ResponseBudget {
    fn take(&self, bytes: usize) -> Result<bool, Error> {
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        let less = |left: usize| left.checked_sub(bytes);
        if self.read.fetch_update(success, failure, less).is_err() {
            return Ok(false);
        }
        let reserved = self.reserve(bytes);
        // Another page must not end early for want of memory.
        reserved.map(|()| true).inspect_err(|_| {
            self.read.fetch_add(bytes, Ordering::Relaxed);
        })
    }

    fn give_back(&self, bytes: usize) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
        let mut memory = self.memory.lock();
        memory.used = memory.used.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(1))
    }

    fn budget(memory: &Account, bytes: usize) -> Arc<ResponseBudget> {
        ResponseBudget::of_event(memory.empty(), bytes)
    }

    #[test]
    fn budget_of_texts_is_exact() {
        let budget = budget(&Account::separate(1000), 10);
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
        let memory = Account::separate(1024 * 1024 * 1024).empty();
        let budget = ResponseBudget::of_request(memory, OperationKind::Query, turns());
        for _ in 0..MAX_FIRST {
            assert!(budget.take_text(longest).is_ok());
            let comment = longest + size_of::<Comment>() + 2048;
            assert!(budget.take(comment).unwrap());
        }
    }

    #[test]
    fn reading_ends_with_the_budget_and_returned_bytes_are_reusable() {
        let memory = Account::separate(1000);
        let budget = budget(&memory, 30);
        assert!(budget.take(20).unwrap());
        assert!(!budget.take(20).unwrap());
        assert!(budget.take_object(20).is_err());
        assert!(budget.take(10).unwrap());
        budget.give_back(30);
        assert!(budget.take_object(20).is_ok());
        drop(budget);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn process_without_memory_fails_the_execution_and_ends_no_page() {
        let memory = Account::separate(20);
        let budget = budget(&memory, 100);
        assert!(budget.take(20).unwrap() && !budget.is_overloaded());
        assert!(matches!(budget.take(1), Err(Error::Overloaded)));
        assert!(matches!(budget.take_text(1), Err(Error::Overloaded)));
        assert!(budget.is_overloaded() && !budget.is_spent());
    }

    #[test]
    fn mutation_without_memory_is_not_told_to_try_again() {
        let memory = Account::separate(20).empty();
        let budget = ResponseBudget::of_request(memory, OperationKind::Mutation, turns());
        assert!(matches!(budget.take_text(21), Err(Error::TooLarge(_))));
    }
}
