//! Entries of a document.

use url::Url;

use crate::{
    model::{MAX_TITLE_CHARS, PagePathError, PostId},
    text::{self, MAX_URL_BYTES},
};

/// An entry of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A page.
    Page(Page),
    /// Another sitemap, of an index.
    Sitemap(Url),
    /// An entry that names no page that could have a post.
    Refused {
        /// The entry's link as it is written, or its number.
        name: String,
        /// The reason.
        reason: Refusal,
    },
}

/// A page of the host site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The id of its post.
    pub id: PostId,
    /// Its URL, http or https.
    pub url: Url,
    /// Its title, cleaned. Sitemaps have none.
    pub title: Option<String>,
}

/// The reason why an entry is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An entry without a link to a page.
    #[error("it has no link")]
    NoLink,
    /// A link that is relative without a base, malformed, or of another scheme.
    #[error("the link is no http or https URL")]
    NotWeb,
    /// A URL that is too long to be stored.
    #[error("the URL has more than {MAX_URL_BYTES} bytes")]
    TooLong,
    /// A path that is no post id.
    #[error(transparent)]
    Path(#[from] PagePathError),
    /// A title that is too long to be stored.
    #[error("the title has {0} characters, and at most {MAX_TITLE_CHARS} are allowed")]
    Title(usize),
    /// A link or title with an entity that neither XML nor HTML defines.
    #[error("it has an entity that is not predefined")]
    Entity,
}

/// The texts of an entry, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) link: Option<String>,
    pub(super) guid: Option<String>,
    pub(super) title: Option<String>,
    /// The base of relative links, if the entry has its own.
    pub(super) base: Option<Url>,
    pub(super) has_unknown_entity: bool,
}

impl Draft {
    /// Returns the URL of the entry's link, with the link as it is written for a report.
    pub(super) fn url(&self, base: Option<&Url>) -> Result<Url, Refusal> {
        if self.has_unknown_entity {
            return Err(Refusal::Entity);
        }
        let link = self.link().ok_or(Refusal::NoLink)?;
        let base = self.base.as_ref().or(base);
        let url = Url::options().base_url(base).parse(link);
        let url = url.map_err(|_| Refusal::NotWeb)?;
        match url.scheme() {
            "http" | "https" if url.as_str().len() <= MAX_URL_BYTES => Ok(url),
            "http" | "https" => Err(Refusal::TooLong),
            _ => Err(Refusal::NotWeb),
        }
    }

    /// Returns the page that the entry names.
    pub(super) fn page(&self, base: Option<&Url>) -> Result<Page, Refusal> {
        let url = self.url(base)?;
        let id = PostId::of_page(&url)?;
        let title = self.title.as_deref().and_then(text::line);
        match title.as_ref().map(|title| title.chars().count()) {
            Some(chars) if chars > MAX_TITLE_CHARS => Err(Refusal::Title(chars)),
            _ => Ok(Page { id, url, title }),
        }
    }

    /// Returns the link. An identifier is one if there is no other.
    pub(super) fn link(&self) -> Option<&str> {
        let link = self.link.as_deref().or(self.guid.as_deref())?;
        Some(link.trim()).filter(|link| !link.is_empty())
    }
}
