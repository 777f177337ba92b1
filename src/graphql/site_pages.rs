//! The pages that open posts by themselves.

use std::sync::Arc;

use url::Url;

use crate::{error::Error, model::PostId};

/// The origins of the setting `AUTO_OPEN_POSTS`. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct SitePages(Arc<[String]>);

impl SitePages {
    /// Creates the pages of these origins, each as browsers write it.
    pub fn new(origins: &[String]) -> Self {
        Self(origins.into())
    }

    /// Admits a caller of any role to the post `id` of the page `url`. Returns the post's id, and the page's
    /// URL without what differs between visits: query, fragment and credentials.
    ///
    /// # Errors
    ///
    /// Returns `Forbidden` for a page of no listed origin, and `BadUserInput` if `id` is not the normal form of
    /// the page's path.
    pub(super) fn admit(&self, id: &str, url: Option<&str>) -> Result<(PostId, Url), Error> {
        let page = url.and_then(|url| Url::parse(url).ok());
        // A `blob:` URL has the origin of the page that made it.
        let page = page.filter(|page| matches!(page.scheme(), "http" | "https"));
        let page = page.filter(|page| self.0.contains(&page.origin().ascii_serialization()));
        let mut page = page.ok_or(Error::Forbidden(
            "Authors open posts, others only those of pages on an origin in AUTO_OPEN_POSTS.",
        ))?;
        let of_page = PostId::of_page(&page)
            .map_err(|error| Error::bad_input("url", format!("The page has no post: {error}.")))?;
        if of_page.as_str() != id {
            let rule = format!("The id of this page's post is `{of_page}`.");
            return Err(Error::bad_input("id", rule));
        }
        page.set_query(None);
        page.set_fragment(None);
        // Both fail only for URLs without a host.
        let _ = page.set_username("");
        let _ = page.set_password(None);
        Ok((of_page, page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(id: &str, url: Option<&str>) -> Result<String, Error> {
        let origins = ["https://blog.example", "http://127.0.0.1:4000"];
        let pages = SitePages::new(&origins.map(str::to_owned));
        pages.admit(id, url).map(|(_, page)| page.into())
    }

    #[test]
    fn page_of_a_listed_origin_opens_the_post_of_its_path() {
        for (id, url, stored) in [
            ("/", "https://blog.example", "https://blog.example/"),
            (
                "/a",
                "https://blog.example:443/a/?b#c",
                "https://blog.example/a/",
            ),
            (
                "/é",
                "HTTPS://BLOG.example/%C3%A9/",
                "https://blog.example/%C3%A9/",
            ),
            (
                "/a",
                "https://user:word@blog.example/a",
                "https://blog.example/a",
            ),
            ("/a", "http://127.0.0.1:4000/a", "http://127.0.0.1:4000/a"),
        ] {
            assert_eq!(admit(id, Some(url)).unwrap(), stored);
        }
    }

    #[test]
    fn page_of_another_origin_is_forbidden() {
        for url in [
            None,
            Some(""),
            Some("/a"),
            Some("http://blog.example/a"),
            Some("https://blog.example:444/a"),
            Some("https://blog.example.evil.example/a"),
            Some("https://evil.example/https://blog.example/a"),
            Some("https://blog.example@evil.example/a"),
            Some("file:///a"),
            Some("blob:https://blog.example/a"),
        ] {
            let refused = admit("/a", url);
            assert!(matches!(refused, Err(Error::Forbidden(_))), "{url:?}");
        }
    }

    #[test]
    fn id_that_is_not_the_pages_is_bad_input() {
        for (id, url) in [
            ("/b", "https://blog.example/a"),
            ("a", "https://blog.example/a"),
            ("/a/", "https://blog.example/a/"),
            ("/a", "https://blog.example/a%20b"),
        ] {
            let refused = admit(id, Some(url));
            assert!(matches!(refused, Err(Error::BadUserInput { .. })), "{url}");
        }
    }
}
