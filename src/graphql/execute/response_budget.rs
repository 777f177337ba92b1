//! The budget of an execution: what it may read from the store, and the texts that it may hold.
//!
//! Complexity is computed before an operation is executed, and cannot know the lengths of texts. A
//! long comment under many aliases is held many times, and a page under many aliases is read many
//! times. The bytes of the response itself are counted as they are written.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::{error::Error, store::Page};

/// Maximum size of the texts in a response to a query or mutation: a page of the longest comments.
const MAX_TEXT_BYTES: usize = 4 * 1024 * 1024;
/// Size of what a query or mutation reads in pages, at which its pages end early: two pages of the
/// longest comments.
const MAX_READ_BYTES: usize = 8 * 1024 * 1024;
/// The size of an item of a page, beside its texts.
const ITEM_BYTES: usize = 256;

/// The number of bytes that may still be read and held. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct ResponseBudget(Arc<Left>);

#[derive(Debug)]
struct Left {
    text: AtomicUsize,
    read: AtomicUsize,
}

impl Default for ResponseBudget {
    fn default() -> Self {
        Self::new(MAX_TEXT_BYTES, MAX_READ_BYTES)
    }
}

impl ResponseBudget {
    /// Creates the budget of the rendering of an event with at most `bytes` bytes.
    pub(super) fn of_event(bytes: usize) -> Self {
        Self::new(bytes, bytes)
    }

    fn new(text: usize, read: usize) -> Self {
        Self(Arc::new(Left {
            // One byte more, so that zero means that more than `text` was requested.
            text: text.saturating_add(1).into(),
            read: read.into(),
        }))
    }

    /// Returns true if a request exceeded the budget of texts.
    pub(super) fn is_spent(&self) -> bool {
        self.0.text.load(Ordering::Relaxed) == 0
    }

    /// Takes a text of `bytes` bytes from the budget.
    ///
    /// # Errors
    ///
    /// Returns `TooLarge` if less is left. The budget is spent then, and each further call fails.
    pub(crate) fn spend(&self, bytes: usize) -> Result<(), Error> {
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        let less = |left: usize| Some(left.saturating_sub(bytes));
        let before = self.0.text.fetch_update(success, failure, less);
        if before.is_ok_and(|before| bytes < before) {
            Ok(())
        } else {
            Err(Error::TooLarge("The answer would hold too much text."))
        }
    }

    /// Takes a page that was read from the budget. The page ends early at the first item that does not
    /// fit. `bytes_of` returns the size of an item's texts.
    pub(crate) fn take_page<T>(
        &self,
        mut page: Page<T>,
        bytes_of: impl Fn(&T) -> usize,
    ) -> Page<T> {
        let taken = page.items.iter().take_while(|item| {
            let bytes = bytes_of(item).saturating_add(ITEM_BYTES);
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            let less = |left: usize| left.checked_sub(bytes);
            self.0.read.fetch_update(success, failure, less).is_ok()
        });
        let taken = taken.count();
        if taken < page.items.len() {
            page.items.truncate(taken);
            page.items.shrink_to_fit();
            page.has_more = true;
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_of_texts_is_exact() {
        let budget = ResponseBudget::of_event(10);
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
        let longest = vec![longest; usize::try_from(MAX_FIRST).unwrap()];
        let budget = ResponseBudget::default();
        assert!(budget.spend(longest.iter().sum()).is_ok());
        let page = Page {
            items: longest,
            has_more: false,
        };
        assert_eq!(budget.take_page(page.clone(), |bytes| *bytes), page);
    }

    #[test]
    fn page_ends_early_where_the_budget_does() {
        let budget = ResponseBudget::of_event(3 * (ITEM_BYTES + 10));
        let page = |items: &[usize], has_more| Page {
            items: items.to_vec(),
            has_more,
        };
        let taken = |items: &[usize]| budget.take_page(page(items, false), |bytes| *bytes);
        assert_eq!(taken(&[10, 10]), page(&[10, 10], false));
        assert_eq!(taken(&[10, 10]), page(&[10], true));
        assert_eq!(taken(&[10]), page(&[], true));
        assert_eq!(taken(&[]), page(&[], false));
    }
}
