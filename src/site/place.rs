//! The formats, and the places in them that matter.

/// A format of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// A sitemap: `urlset`.
    Sitemap,
    /// A list of sitemaps: `sitemapindex`.
    SitemapIndex,
    /// RSS 2.0, and its predecessors of the same shape.
    Rss,
    /// Atom.
    Atom,
}

/// The meaning of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// An entry, which the others are in.
    Entry,
    /// The text is the link.
    Link,
    /// The attributes have the link, as in Atom.
    LinkAttributes,
    /// The text is an identifier, which may be the link.
    Guid,
    /// The text is the title.
    Title,
}

/// Length of the longest path of a place, from the root on.
pub(super) const MAX_PATH: usize = 4;

impl Format {
    /// Returns the format with this root element.
    pub(super) fn of_root(name: &str) -> Option<Self> {
        match name {
            "urlset" => Some(Self::Sitemap),
            "sitemapindex" => Some(Self::SitemapIndex),
            "rss" => Some(Self::Rss),
            "feed" => Some(Self::Atom),
            _ => None,
        }
    }

    /// Returns the place of the element with this path, whose names begin below the root.
    pub(super) fn place(self, path: &[&str]) -> Option<Place> {
        match (self, path) {
            (Self::Sitemap, ["url"])
            | (Self::SitemapIndex, ["sitemap"])
            | (Self::Rss, ["channel", "item"])
            | (Self::Atom, ["entry"]) => Some(Place::Entry),
            (Self::Sitemap, ["url", "loc"])
            | (Self::SitemapIndex, ["sitemap", "loc"])
            | (Self::Rss, ["channel", "item", "link"]) => Some(Place::Link),
            (Self::Atom, ["entry", "link"]) => Some(Place::LinkAttributes),
            (Self::Rss, ["channel", "item", "guid"]) => Some(Place::Guid),
            (Self::Rss, ["channel", "item", "title"]) | (Self::Atom, ["entry", "title"]) => {
                Some(Place::Title)
            }
            _ => None,
        }
    }
}
