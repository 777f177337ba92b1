//! How much text one answer may hold. A document is weighed by its fields before it is executed, but
//! what a field holds is known only then: one long comment under many names is as many comments.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_graphql::Context;

use crate::error::Error;

/// How many bytes of text an answer to a query or a mutation may hold: a page of the longest comments
/// that there can be.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// What is left of the text that an answer may hold. Cloning it gives the same.
#[derive(Clone, Debug)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Default for Allowance {
    fn default() -> Self {
        Self::of(MAX_BYTES)
    }
}

impl Allowance {
    /// So many bytes.
    pub(super) fn of(bytes: usize) -> Self {
        // One more, so that nothing is left only where more was asked for.
        Self(Arc::new(AtomicUsize::new(bytes.saturating_add(1))))
    }

    /// Takes a text into the answer; `TooLarge` where it has no room for it.
    pub(super) fn take<'t>(context: &Context<'_>, text: &'t str) -> Result<&'t str, Error> {
        match context.data_opt::<Self>() {
            Some(allowance) => allowance.spend(text.len()).map(|()| text),
            None => Ok(text),
        }
    }

    /// Whether more was asked for than there was.
    pub(super) fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn spend(&self, bytes: usize) -> Result<(), Error> {
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
        let allowance = Allowance::of(10);
        assert!(allowance.spend(4).is_ok() && allowance.spend(6).is_ok());
        assert!(allowance.spend(0).is_ok() && !allowance.is_spent());
        assert!(allowance.spend(1).is_err() && allowance.is_spent());
        assert!(allowance.spend(1).is_err());
    }

    #[test]
    fn page_of_the_longest_comments_fits_the_budget() {
        use super::super::page::MAX_FIRST;
        use crate::model::MAX_BODY_CHARS;
        let longest = MAX_BODY_CHARS * char::MAX.len_utf8();
        let page = usize::try_from(MAX_FIRST).unwrap() * longest;
        assert!(Allowance::default().spend(page).is_ok());
    }
}
