//! URLs of pages and pictures.

use url::Url;

/// Maximum length of a URL in bytes, as it is stored.
pub const MAX_URL_BYTES: usize = 2048;

/// Parses an http or https URL as browsers do, and returns it in its serialized form.
///
/// That form has no double quotes, angle brackets, spaces or line breaks. Returns `None` for any other
/// text, and for a URL of more than [`MAX_URL_BYTES`].
pub fn web_url(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.as_str().len() <= MAX_URL_BYTES;
    is_web.then(|| url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_url_is_returned_in_its_serialized_form() {
        for (text, serialized) in [
            ("https://example.org/a?b=c#d", "https://example.org/a?b=c#d"),
            ("HTTP://Example.ORG", "http://example.org/"),
            ("https:x.example/a", "https://x.example/a"),
            ("https:\\\\x.example\\a", "https://x.example/a"),
            ("ht\ttps://x.example/a\nb ", "https://x.example/ab"),
            ("https://x.example/a b.png", "https://x.example/a%20b.png"),
            ("https://x.example/\"<>", "https://x.example/%22%3C%3E"),
            (
                "https://x.example/?\"<>'#\"<>`",
                "https://x.example/?%22%3C%3E%27#%22%3C%3E%60",
            ),
        ] {
            assert_eq!(web_url(text).as_deref(), Some(serialized), "{text:?}");
        }
    }

    #[test]
    fn other_or_too_long_url_is_refused() {
        for text in [
            "",
            "a",
            "/a",
            "//a",
            "ftp://a",
            "javascript:alert(1)",
            "data:,x",
            "https://",
        ] {
            assert_eq!(web_url(text), None, "{text:?}");
        }
        let of_length = |bytes: usize| {
            let start = "https://x.example/";
            format!("{start}{}", "a".repeat(bytes - start.len()))
        };
        assert!(web_url(&of_length(MAX_URL_BYTES)).is_some());
        assert_eq!(web_url(&of_length(MAX_URL_BYTES + 1)), None);
        // Serialized, each of these has six bytes.
        assert_eq!(
            web_url(&format!("https://x.example/{}", "é".repeat(400))),
            None
        );
    }
}
