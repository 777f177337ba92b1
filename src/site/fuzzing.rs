//! The fuzz target of the parser.

use super::{Document, Entry, path_title};
use crate::{model::MAX_TITLE_CHARS, text::MAX_URL_BYTES};

/// Parses a sitemap or a feed. Asserts that each page could be stored.
pub fn site(bytes: &[u8]) {
    let Ok(document) = Document::open(bytes, None) else {
        return;
    };
    for entry in document.flatten() {
        if let Entry::Page(page) = entry {
            assert!(page.url.as_str().len() <= MAX_URL_BYTES, "{page:?}");
            let title = page.title.clone().unwrap_or_else(|| path_title(&page));
            let chars = title.chars().count();
            assert!((1..=MAX_TITLE_CHARS).contains(&chars), "{page:?}");
        }
    }
}
