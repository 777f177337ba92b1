//! The budget of text in one response. Complexity is computed before an operation is executed, and
//! cannot know the lengths of texts: one long comment under many aliases is that many comments.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::error::Error;

/// How many bytes of text an answer to a query or a mutation may hold: a page of the longest comments
/// that there can be.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// What is left of the text that an answer may hold. Cloning it gives the same.
#[derive(Clone, Debug)]
pub(crate) struct ResponseBudget(Arc<AtomicUsize>);

impl Default for ResponseBudget {
    fn default() -> Self {
        Self::of(MAX_BYTES)
    }
}

impl ResponseBudget {
    /// So many bytes.
    pub(super) fn of(bytes: usize) -> Self {
        // One more, so that nothing is left only where more was asked for.
        Self(Arc::new(AtomicUsize::new(bytes.saturating_add(1))))
    }

    /// Whether more was asked for than there was.
    pub(super) fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

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
        let budget = ResponseBudget::of(10);
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
