//! The number of links in a comment, as a reader sees them.

/// Starts of a URL, in lower case.
const STARTS: [&str; 3] = ["https://", "http://", "www."];

/// Counts the links in a text: http and https URLs, hosts that begin with `www.`, and Markdown links,
/// each once. A Markdown link counts with whatever URL it shows and leads to. Takes linear time.
pub(super) fn count_links(text: &str) -> usize {
    let mut links = 0;
    // The count at each open bracket.
    let mut brackets = Vec::new();
    let (mut rest, mut before) = (text, None);
    while let Some(character) = rest.chars().next() {
        let after = &rest[character.len_utf8()..];
        match character {
            '[' => brackets.push(links),
            ']' => {
                let at_open = brackets.pop();
                if let (Some(at_open), Some(target)) = (at_open, after.strip_prefix('(')) {
                    // What the link shows is no further link, and neither is its target.
                    links = at_open + 1;
                    let target = target.strip_prefix('<').unwrap_or(target);
                    rest = url(target).map_or(target, |url| &target[url.len()..]);
                    before = None;
                    continue;
                }
            }
            _ if before.is_none_or(|before: char| !before.is_alphanumeric()) => {
                if let Some(url) = url(rest) {
                    links += 1;
                    rest = &rest[url.len()..];
                    before = url.chars().next_back();
                    continue;
                }
            }
            _ => {}
        }
        (rest, before) = (after, Some(character));
    }
    links
}

/// Returns the URL at the start of a text.
fn url(text: &str) -> Option<&str> {
    let has_start = |start: &&&str| {
        let head = text.get(..start.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(start))
    };
    let start = STARTS.iter().find(has_start)?.len();
    let is_end =
        |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | '[' | ']' | '"');
    let end = text[start..]
        .find(is_end)
        .map_or(text.len(), |end| start + end);
    let has_host = text[start..end].starts_with(char::is_alphanumeric);
    has_host.then(|| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_of_each_kind_counts_once() {
        for (text, links) in [
            ("", 0),
            ("no link, not even example.org or http", 0),
            ("https://a.example", 1),
            ("see HTTP://A.EXAMPLE/b?c=d, and www.b.example.", 2),
            ("www.a.example https://www.b.example", 2),
            ("<https://a.example> (http://b.example)", 2),
            ("https://a.example/?u=https://b.example", 1),
            ("https://a.example/b_(c)", 1),
            ("[a](https://a.example)", 1),
            ("[a](<https://a.example>)", 1),
            ("[a](/b) and [c](mailto:d@e.example)", 2),
            ("[https://a.example](https://b.example \"c\")", 1),
            ("[https://a.example](https://b.example)https://c.example", 2),
            ("![a](https://a.example)", 1),
            ("[![a](https://a.example)](https://b.example)", 1),
            ("[a][1] [b][1]\n\n[1]: https://a.example", 1),
            ("[a] (b) ](c) [d](e", 1),
            ("https://你好.example", 1),
        ] {
            assert_eq!(count_links(text), links, "{text:?}");
        }
    }

    #[test]
    fn text_that_is_no_link_counts_as_none() {
        for text in [
            "http://",
            "https:// a",
            "xhttps://a.example",
            "awww.a.example",
            "www.",
            "www. a",
            "ftp://a.example",
            "[a]",
            "](b)",
        ] {
            assert_eq!(count_links(text), 0, "{text:?}");
        }
    }

    #[test]
    fn brackets_and_starts_without_end_are_counted_quickly() {
        for part in ["[", "](", "[](", "www.", "http://", "<", "[a](<"] {
            let text = part.repeat(100_000);
            assert!(count_links(&text) <= 100_000, "{part}");
        }
    }
}
