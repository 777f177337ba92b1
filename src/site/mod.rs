//! The host site's pages, as its sitemap or feed lists them.
//!
//! A document is parsed while it is read, so its size costs no memory. Only its links and titles are kept, one
//! entry at a time. Entities that a document defines are never expanded, and nothing that it names is loaded.

mod document;
mod entry;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod html;
mod input;
mod place;
mod source;
#[cfg(test)]
mod tests;
mod title;

pub use self::{
    document::{Document, DocumentError},
    entry::{Entry, Page, Refusal},
    input::MAX_DOCUMENT_BYTES,
    source::{Content, Source, SourceError},
    title::path_title,
};
