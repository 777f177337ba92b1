//! How large a document is, told before it is parsed: the parser calls itself for whatever stands
//! inside something, and takes a microsecond and memory for each token, and a tenth of one for each
//! character of a string or a comment.
//!
//! Tokens and brackets are counted as the parser sees them (GraphQL specification, section 2.1):
//! what stands in a string or a comment is none.

/// How many bytes a document may have. A comment of the greatest length fits in, however it is
/// written.
const MAX_BYTES: usize = 64 * 1024;
/// How many tokens a document may have.
const MAX_TOKENS: usize = 2_000;
/// How many brackets of any kind may stand inside one another.
const MAX_NESTING: usize = 64;

/// The document is larger than any may be, in this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooLarge {
    #[error("A document has at most {MAX_BYTES} bytes.")]
    Bytes,
    #[error("A document has at most {MAX_TOKENS} tokens.")]
    Tokens,
    #[error("In a document at most {MAX_NESTING} brackets stand inside one another.")]
    Nesting,
}

/// Refuses a document that is too large. It reads no further than to where that shows.
pub(super) fn check(text: &str) -> Result<(), TooLarge> {
    if text.len() > MAX_BYTES {
        return Err(TooLarge::Bytes);
    }
    let mut rest = text.as_bytes();
    let (mut tokens, mut nesting) = (0, 0_usize);
    // Whether a block string that begins may have an end.
    let mut blocks_end = true;
    while let [first, behind @ ..] = rest {
        match first {
            b' ' | b',' | b'\t' | b'\r' | b'\n' => {
                rest = behind;
                continue;
            }
            b'#' => {
                rest = after(behind, is_line_end);
                continue;
            }
            b'{' | b'[' | b'(' => {
                nesting += 1;
                if nesting > MAX_NESTING {
                    return Err(TooLarge::Nesting);
                }
                rest = behind;
            }
            b'}' | b']' | b')' => {
                nesting = nesting.saturating_sub(1);
                rest = behind;
            }
            b'"' => {
                let block = behind.strip_prefix(b"\"\"").filter(|_| blocks_end);
                rest = match block.map(block_string) {
                    Some(Some(behind)) => behind,
                    // Without an end the parser takes its beginning for an empty string; and no
                    // block string behind it has an end either.
                    Some(None) => {
                        blocks_end = false;
                        &behind[1..]
                    }
                    None => string(behind),
                };
            }
            _ if is_of_name(*first) => rest = after(behind, |byte| !is_of_name(byte)),
            _ => rest = behind,
        }
        tokens += 1;
        if tokens > MAX_TOKENS {
            return Err(TooLarge::Tokens);
        }
    }
    Ok(())
}

/// What follows the first byte of this kind, that byte included.
fn after(text: &[u8], is_end: impl Fn(u8) -> bool) -> &[u8] {
    let end = text.iter().position(|byte| is_end(*byte));
    &text[end.unwrap_or(text.len())..]
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// What follows a string that was begun. One that its line does not end is an error, which the parser
/// finds.
fn string(mut rest: &[u8]) -> &[u8] {
    loop {
        match rest {
            [b'\\', _, behind @ ..] => rest = behind,
            [b'"', behind @ ..] => return behind,
            [byte, ..] if is_line_end(*byte) => return rest,
            [_, behind @ ..] => rest = behind,
            [] => return rest,
        }
    }
}

/// What follows a block string that was begun; `None` where it has no end.
fn block_string(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        match rest {
            [b'\\', b'"', b'"', b'"', behind @ ..] => rest = behind,
            [b'"', b'"', b'"', behind @ ..] => return Some(behind),
            [_, behind @ ..] => rest = behind,
            [] => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn byte_limit_is_exact() {
        let comment = |bytes: usize| "#".repeat(bytes);
        assert_eq!(check(&comment(MAX_BYTES)), Ok(()));
        assert_eq!(check(&comment(MAX_BYTES + 1)), Err(TooLarge::Bytes));
    }

    #[test]
    fn token_limit_is_exact() {
        let names = |count: usize| "a ".repeat(count);
        assert_eq!(check(&names(MAX_TOKENS)), Ok(()));
        assert_eq!(check(&names(MAX_TOKENS + 1)), Err(TooLarge::Tokens));
        let numbers = |count: usize| "{ a(x: 1) } ".repeat(count);
        assert_eq!(check(&numbers(MAX_TOKENS / 8)), Ok(()));
        assert_eq!(check(&numbers(MAX_TOKENS / 8 + 1)), Err(TooLarge::Tokens));
    }

    #[test]
    fn nesting_limit_is_exact_for_every_kind_of_bracket() {
        for (open, close) in [("{ a", "}"), ("[", "]"), ("(", ")"), ("{ a(b: [", "])}")] {
            let each = open.chars().filter(|byte| "{[(".contains(*byte)).count();
            let nested = |depth: usize| open.repeat(depth) + &close.repeat(depth);
            assert_eq!(check(&nested(MAX_NESTING / each)), Ok(()), "{open}");
            let refused = check(&nested(MAX_NESTING / each + 1));
            assert_eq!(refused, Err(TooLarge::Nesting), "{open}");
            // The one beside does not count, nor does one that was never opened.
            let beside = (open.to_owned() + close).repeat(100);
            assert_eq!(check(&beside), Ok(()), "{open}");
        }
        assert_eq!(check(&"]".repeat(100)), Ok(()));
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        let many = "[".repeat(100);
        for hidden in [
            format!("# {many}\n"),
            format!("# {many}\r"),
            format!("\"{many}\""),
            format!("\"\\\"{many}\""),
            format!("\"\"\"{many}\n\"{many}\"\" \\\"\"\" {many}\"\"\""),
        ] {
            assert_eq!(check(&hidden), Ok(()), "{hidden}");
            let shown = format!("{hidden}{many}");
            assert_eq!(check(&shown), Err(TooLarge::Nesting), "{hidden}");
        }
        // Not in what only looks like one.
        for bare in [
            format!("\"\" {many}"),
            format!("\"\"\"\"\"\" {many}"),
            format!("\"\\\\\" {many}"),
            format!("\" \n {many}"),
            format!("\"\"\" x \" {many}"),
            format!("# \" \n {many}"),
            format!("\"#\" {many}"),
        ] {
            assert_eq!(check(&bare), Err(TooLarge::Nesting), "{bare}");
        }
    }

    /// How many lists the parser finds in a text; `None` where it refuses it.
    fn lists(text: &str) -> Option<usize> {
        let document = parse_query(text).ok()?;
        Some(format!("{document:?}").matches("List(").count())
    }

    proptest! {
        /// Whatever is written, the parser finds no more lists than the brackets that were counted.
        #[test]
        fn no_string_or_comment_hides_a_bracket_from_the_count(
            pieces in prop::collection::vec(
                // Mostly what is whole, so that the parser takes most of it.
                prop::sample::select(vec![
                    "[]", "[x]", "[[]]", "x", " ", "\n", "#[\n", "#\"\n", "# \"\"\"\r", "\"\"", "\"[\"",
                    "\"\\\"[\"", "\"\\\\\"", "\"#\"", "\"\"\"[\"\"\"", "\"\"\"\"[\"\"\"",
                    "\"\"\"\\\"\"\"[\"\"\"", "\"\"\"\n#\"\"\"", "\"", "\\",
                ]),
                0..12,
            ),
        ) {
            let text = format!("{{ f(a: [{}]) }}", pieces.concat());
            if let Some(lists) = lists(&text) {
                prop_assert!(brackets(&text) >= lists, "{text}");
            }
        }
    }

    /// How many lists are opened, as the count has it.
    fn brackets(text: &str) -> usize {
        // Each bracket is made so deep that one is enough to be refused.
        let deep = "[".repeat(MAX_NESTING);
        let mut count = 0;
        for (at, _) in text.match_indices('[') {
            let deepened = format!("{}{deep}{}", &text[..at], &text[at..]);
            count += usize::from(check(&deepened) == Err(TooLarge::Nesting));
        }
        count
    }
}
