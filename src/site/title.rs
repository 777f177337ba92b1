//! Titles of pages that have none.

use super::Page;
use crate::{model::MAX_TITLE_CHARS, text};

/// Extensions of pages, which say nothing about them.
const EXTENSIONS: [&str; 4] = [".html", ".htm", ".xhtml", ".php"];

/// Returns a title made of the last segment of a page's path, or of its host if the path has none.
pub fn path_title(page: &Page) -> String {
    let path = page.id.as_str();
    let segment = path.rsplit('/').next().unwrap_or_default();
    let stem = EXTENSIONS
        .iter()
        .find_map(|extension| segment.strip_suffix(extension))
        .unwrap_or(segment);
    let Some(title) = text::line(&stem.replace(['-', '_'], " ")) else {
        return page.url.host_str().unwrap_or(path).to_owned();
    };
    let mut chars = title.chars().take(MAX_TITLE_CHARS);
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars).take(MAX_TITLE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::model::PostId;

    #[test]
    fn path_title_is_the_last_segment_in_words() {
        for (path, title) in [
            ("/2026/my-first-post.html", "My first post"),
            ("/notes/a_map--is-not/", "A map is not"),
            ("/über/%C3%A9t%C3%A9", "Été"),
            ("/v1.2", "V1.2"),
            ("/about.php", "About"),
            ("/", "blog.example"),
            ("/--", "blog.example"),
            ("/%E2%80%8B", "blog.example"),
            ("/.html", "blog.example"),
        ] {
            let url: Url = format!("https://blog.example{path}").parse().unwrap();
            let id = PostId::of_page(&url).unwrap();
            let page = Page {
                id,
                url,
                title: None,
            };
            assert_eq!(path_title(&page), title, "{path}");
        }
        let url: Url = format!("https://blog.example/{}", "ß".repeat(200))
            .parse()
            .unwrap();
        let id = PostId::of_page(&url).unwrap();
        let page = Page {
            id,
            url,
            title: None,
        };
        assert_eq!(path_title(&page).chars().count(), 201);
    }
}
