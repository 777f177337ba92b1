//! Pages of a list.

use crate::{error::Error, model::Seq};

/// The order of a list of comments, with the place after which a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// The order in which they were added.
    OldestFirst(Option<Seq>),
    /// The opposite order.
    NewestFirst(Option<Seq>),
    /// The highest score first, and of one score the newest.
    Top(Option<TopPlace>),
}

/// The place of a comment in the order by score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TopPlace {
    /// The score.
    pub score: i64,
    /// The seq of the addition, which orders comments of one score.
    pub added: Seq,
}

/// The levels of replies that a list of comments has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Levels {
    /// Top-level comments only.
    Top,
    /// Comments of every depth, flat.
    All,
}

/// The treatment of the bodies of comments in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bodies {
    /// Read them.
    Read,
    /// Leave them empty, because the reader does not look at them.
    Omit,
}

/// The part of a list to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slice<Key> {
    /// The maximum number of items.
    pub first: u64,
    /// The key after which the slice begins, in the list's own order.
    pub after: Option<Key>,
}

/// Decides how much of the store a reader may hold.
pub trait Allowance: std::fmt::Debug + Send + Sync {
    /// Takes the bytes of a row that was read. Returns false if the page ends before it.
    ///
    /// # Errors
    ///
    /// Fails if nothing more may be read. The whole page fails then.
    fn take(&self, bytes: usize) -> Result<bool, Error>;

    /// Gives back bytes that were taken for rows of a page that could not be read.
    fn give_back(&self, bytes: usize);
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in the requested order.
    pub items: Vec<T>,
    /// True if the list continues after the last item.
    pub has_more: bool,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            has_more: false,
        }
    }
}

impl<T> Page<T> {
    /// Converts each item.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(convert).collect(),
            has_more: self.has_more,
        }
    }
}
