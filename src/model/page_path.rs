//! The normal form of a page's path, which is the id of the page's post.

use std::fmt::Write;

use percent_encoding::percent_decode_str;
use url::Url;

use super::PostId;

/// The file that servers send for its folder.
const INDEX: &str = "index.html";

/// The reason why a path is no post id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PagePathError {
    /// The decoded path has white space or control characters.
    #[error("the path has white space or control characters")]
    Space,
    /// The decoded path is longer than a post id.
    #[error("the path has {0} bytes, and a post's id at most 512")]
    TooLong(usize),
}

impl PostId {
    /// Returns the id of the post of a page: the normal form of the page's path.
    ///
    /// It is percent-decoded where that gives valid UTF-8, slashes too. The form has one leading slash, no
    /// trailing slash unless it is `/`, and no `index.html` at its end. Query and fragment do not count.
    /// Case is kept.
    ///
    /// # Errors
    ///
    /// Fails if the decoded path breaks the rules of [`PostId::parse`].
    pub fn of_page(page: &Url) -> Result<Self, PagePathError> {
        let decoded = decoded(page.path());
        let mut path = decoded.trim_matches('/');
        while let Some(folder) = path.strip_suffix(INDEX)
            && (folder.is_empty() || folder.ends_with('/'))
        {
            path = folder.trim_end_matches('/');
        }
        let path = format!("/{path}");
        Self::parse(&path).ok_or(match path.len() {
            bytes if bytes > 512 => PagePathError::TooLong(bytes),
            _ => PagePathError::Space,
        })
    }
}

/// Decodes a path. What stays encoded has upper-case digits, so there is one form of it.
fn decoded(path: &str) -> String {
    let mut decoded = String::with_capacity(path.len());
    let bytes: Vec<u8> = percent_decode_str(path).collect();
    for chunk in bytes.utf8_chunks() {
        decoded.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(decoded, "%{byte:02X}");
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_page(path: &str) -> Result<PostId, PagePathError> {
        let page = format!("https://blog.example{path}");
        PostId::of_page(&page.parse().unwrap())
    }

    #[test]
    fn page_path_has_one_normal_form() {
        for (path, id) in [
            ("", "/"),
            ("/", "/"),
            ("//", "/"),
            ("/a", "/a"),
            ("/a/", "/a"),
            ("/a//", "/a"),
            ("//a", "/a"),
            ("/a//b", "/a//b"),
            ("/A/b.html", "/A/b.html"),
            ("/a?b=c", "/a"),
            ("/a/?b#c", "/a"),
            ("/a#b/", "/a"),
            // Dot segments are resolved, however they are written.
            ("/a/./b/../c", "/a/c"),
            ("/a/%2e%2E/c", "/c"),
            // The file of a folder is the folder.
            ("/index.html", "/"),
            ("/a/index.html", "/a"),
            ("/a//index.html", "/a"),
            ("/a/index.html/", "/a"),
            ("/a/index.html/index.html", "/a"),
            ("/a/index%2Ehtml", "/a"),
            ("/index.html/a", "/index.html/a"),
            ("/my-index.html", "/my-index.html"),
            ("/a/Index.html", "/a/Index.html"),
            ("/a/index.htm", "/a/index.htm"),
            // Encoded text is decoded once.
            ("/caf%C3%A9", "/café"),
            ("/caf%c3%a9", "/café"),
            ("/café", "/café"),
            ("/%E6%97%A5/", "/日"),
            ("/100%25", "/100%"),
            ("/100%", "/100%"),
            ("/%2541", "/%41"),
            ("/a%3Fb%23c", "/a?b#c"),
            ("/a%2Fb", "/a/b"),
            ("/a%2F", "/a"),
            ("/a%2Findex.html", "/a"),
            // What is not UTF-8 stays encoded.
            ("/caf%E9", "/caf%E9"),
            ("/caf%e9", "/caf%E9"),
            ("/%E9/%C3%A9", "/%E9/é"),
            ("/%E6%97x", "/%E6%97x"),
            ("/%ED%A0%80", "/%ED%A0%80"),
        ] {
            let found = of_page(path);
            assert_eq!(found.as_ref().map(PostId::as_str), Ok(id), "{path}");
        }
    }

    #[test]
    fn path_that_is_no_post_id_is_refused() {
        for path in [
            "/a%20b",
            "/a b",
            "/a%09",
            "/%00",
            "/a%0Ab",
            "/%7F",
            "/%C2%85",
            "/%C2%A0",
            "/%E2%80%A8",
        ] {
            assert_eq!(of_page(path), Err(PagePathError::Space), "{path}");
        }
        let of_length = |bytes: usize| of_page(&format!("/{}", "a".repeat(bytes - 1)));
        assert!(of_length(512).is_ok());
        assert_eq!(of_length(513), Err(PagePathError::TooLong(513)));
        // The length is that of the decoded path.
        assert!(of_page(&format!("/{}", "%C3%A9".repeat(255))).is_ok());
    }
}
