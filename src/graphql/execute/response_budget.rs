//! The budget of text in one response.
//!
//! Complexity is computed before an operation is executed, and cannot know the lengths of texts. A
//! long comment under many aliases is sent many times.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::error::Error;

/// Maximum size of the texts in a response to a query or mutation: a page of the longest comments.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The number of bytes that may still be spent on texts. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct ResponseBudget(Arc<AtomicUsize>);

impl Default for ResponseBudget {
    fn default() -> Self {
        Self::new(MAX_BYTES)
    }
}

impl ResponseBudget {
    /// Creates a budget of `bytes` bytes.
    pub(super) fn new(bytes: usize) -> Self {
        // One byte more, so that zero means that more than `bytes` was requested.
        Self(Arc::new(AtomicUsize::new(bytes.saturating_add(1))))
    }

    /// Returns true if a request exceeded the budget.
    pub(super) fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Takes `bytes` from the budget.
    ///
    /// # Errors
    ///
    /// Returns `TooLarge` if less is left. The budget is spent then, and each further call fails.
    pub(crate) fn spend(&self, bytes: usize) -> Result<(), Error> {
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        let less = |left: usize| Some(left.saturating_sub(bytes));
        let before = self.0.fetch_update(success, failure, less);
        if before.is_ok_and(|before| bytes < before) {
            Ok(())
        } else {
            Err(Error::TooLarge("The answer would hold too much text."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_is_exact() {
        let budget = ResponseBudget::new(10);
        assert!(budget.spend(4).is_ok() && budget.spend(6).is_ok());
        assert!(budget.spend(0).is_ok() && !budget.is_spent());
        assert!(budget.spend(1).is_err() && budget.is_spent());
        assert!(budget.spend(1).is_err());
    }

    #[test]
    fn page_of_the_longest_comments_fits_the_budget() {
        use crate::graphql::schema::page::MAX_FIRST;
        use crate::model::MAX_BODY_CHARS;
        let longest = MAX_BODY_CHARS * char::MAX.len_utf8();
        let page = usize::try_from(MAX_FIRST).unwrap() * longest;
        assert!(ResponseBudget::default().spend(page).is_ok());
    }
}
