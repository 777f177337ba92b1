//! The size limits of a request, checked before it is parsed.
//!
//! The parser recurses for every bracket, and takes memory and about a microsecond for each token.
//! Tokens and brackets are counted as the parser sees them (GraphQL specification, section 2.1):
//! none are inside a string or a comment.

use serde_json::{Map, Value};

use super::lexer::{Kind, Tokens};

/// Maximum length of a document in bytes. A comment of the maximum length fits, however it is
/// escaped.
const MAX_BYTES: usize = 64 * 1024;
/// Maximum length in bytes of a document whose subscription is executed.
const MAX_SUBSCRIPTION_BYTES: usize = 16 * 1024;
/// Maximum number of tokens in a document.
const MAX_TOKENS: usize = 2_000;
/// Maximum depth of brackets of any kind inside one another.
const MAX_NESTING: usize = 64;
/// Maximum length of a name in bytes. A response has an alias once for each item of a list.
const MAX_NAME: usize = 256;
/// Maximum number of values in a request's variables, those in lists and objects included.
const MAX_VALUES: usize = 1_000;

/// The limit that a request exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooLarge {
    #[error("A document has at most {MAX_BYTES} bytes.")]
    Bytes,
    #[error("A document has at most {MAX_TOKENS} tokens.")]
    Tokens,
    #[error("Brackets are nested at most {MAX_NESTING} levels deep in a document.")]
    Nesting,
    #[error("A name has at most {MAX_NAME} bytes.")]
    Name,
    #[error("A subscription has at most {MAX_SUBSCRIPTION_BYTES} bytes.")]
    Subscription,
    #[error("Variables have at most {MAX_VALUES} values.")]
    Values,
}

/// Refuses the document of a subscription that is too large.
pub(super) fn check_subscription(text: &str) -> Result<(), TooLarge> {
    if text.len() > MAX_SUBSCRIPTION_BYTES {
        return Err(TooLarge::Subscription);
    }
    Ok(())
}

/// Refuses variables with too many values.
pub(super) fn check_variables(variables: &Map<String, Value>) -> Result<(), TooLarge> {
    let mut values: Vec<&Value> = variables.values().collect();
    let mut count = 0;
    while let Some(value) = values.pop() {
        count += 1;
        match value {
            Value::Array(inner) => values.extend(inner),
            Value::Object(inner) => values.extend(inner.values()),
            _ => {}
        }
        if count + values.len() > MAX_VALUES {
            return Err(TooLarge::Values);
        }
    }
    Ok(())
}

/// Refuses a document that is too large. Reads no further than the limit.
///
/// # Errors
///
/// Returns the limit, and the offset in the text at which it is exceeded.
pub(super) fn check(text: &str) -> Result<(), (TooLarge, usize)> {
    if text.len() > MAX_BYTES {
        return Err((TooLarge::Bytes, text.floor_char_boundary(MAX_BYTES)));
    }
    let mut tokens = Tokens::new(text);
    let (mut count, mut nesting) = (0, 0_usize);
    while let Some((kind, token)) = tokens.next() {
        match kind {
            Kind::Open => nesting += 1,
            Kind::Close => nesting = nesting.saturating_sub(1),
            _ => {}
        }
        count += 1;
        let limit = if nesting > MAX_NESTING {
            TooLarge::Nesting
        } else if count > MAX_TOKENS {
            TooLarge::Tokens
        } else if kind == Kind::Name && token.len() > MAX_NAME {
            TooLarge::Name
        } else {
            continue;
        };
        return Err((limit, text.len() - tokens.remaining()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use apollo_compiler::ast::Document;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::graphql::execute::lexer;

    fn check(text: &str) -> Result<(), TooLarge> {
        super::check(text).map_err(|(limit, _)| limit)
    }

    #[test]
    fn offset_is_where_the_limit_is_exceeded() {
        let text = format!("# {{\n{}", "[".repeat(MAX_NESTING + 5));
        let offset = "# {\n".len() + MAX_NESTING + 1;
        assert_eq!(super::check(&text), Err((TooLarge::Nesting, offset)));
    }

    #[test]
    fn document_of_max_bytes_is_accepted_and_one_more_refused() {
        let comment = |bytes: usize| "#".repeat(bytes);
        assert_eq!(check(&comment(MAX_BYTES)), Ok(()));
        assert_eq!(check(&comment(MAX_BYTES + 1)), Err(TooLarge::Bytes));
    }

    #[test]
    fn name_of_max_bytes_is_accepted_and_one_more_refused() {
        let name = |bytes: usize| format!("{{ {}: a }}", "x".repeat(bytes));
        assert_eq!(check(&name(MAX_NAME)), Ok(()));
        assert_eq!(check(&name(MAX_NAME + 1)), Err(TooLarge::Name));
        let text = format!("{{ a(b: \"{}\") }}", "x".repeat(MAX_NAME + 1));
        assert_eq!(check(&text), Ok(()));
    }

    #[test]
    fn document_of_max_tokens_is_accepted_and_one_more_refused() {
        let names = |count: usize| "a ".repeat(count);
        assert_eq!(check(&names(MAX_TOKENS)), Ok(()));
        assert_eq!(check(&names(MAX_TOKENS + 1)), Err(TooLarge::Tokens));
        let numbers = |count: usize| "{ a(x: 1) } ".repeat(count);
        assert_eq!(check(&numbers(MAX_TOKENS / 8)), Ok(()));
        assert_eq!(check(&numbers(MAX_TOKENS / 8 + 1)), Err(TooLarge::Tokens));
    }

    #[test]
    fn nesting_counts_brackets_of_every_kind() {
        for (open, close) in [("{ a", "}"), ("[", "]"), ("(", ")"), ("{ a(b: [", "])}")] {
            let each = open.chars().filter(|byte| "{[(".contains(*byte)).count();
            let nested = |depth: usize| open.repeat(depth) + &close.repeat(depth);
            assert_eq!(check(&nested(MAX_NESTING / each)), Ok(()), "{open}");
            let refused = check(&nested(MAX_NESTING / each + 1));
            assert_eq!(refused, Err(TooLarge::Nesting), "{open}");
            // Neither a closed one nor one that was never opened counts.
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
        // But they do in texts that only look like one.
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

    /// Counts the lists that the parser finds in a text. Returns `None` if it refuses the text.
    fn lists(text: &str) -> Option<usize> {
        let document = Document::parse(lexer::without_ignored(text), "").ok()?;
        Some(format!("{document:?}").matches("List(").count())
    }

    proptest! {
        /// The parser finds no more lists than brackets were counted, whatever is written.
        #[test]
        fn no_string_or_comment_hides_a_bracket_from_the_count(
            pieces in prop::collection::vec(
                // Mostly whole tokens, so that the parser accepts most texts.
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

    /// Counts the brackets that open a list, as the size limit does.
    fn brackets(text: &str) -> usize {
        // Makes each bracket so deep that one more is refused.
        let deep = "[".repeat(MAX_NESTING);
        let mut count = 0;
        for (at, _) in text.match_indices('[') {
            let deepened = format!("{}{deep}{}", &text[..at], &text[at..]);
            count += usize::from(check(&deepened) == Err(TooLarge::Nesting));
        }
        count
    }

    #[test]
    fn variables_of_max_values_are_accepted_and_one_more_refused() {
        let check = |value| {
            let Value::Object(variables) = value else {
                panic!("an object");
            };
            check_variables(&variables)
        };
        let list = |length: usize| json!({"a": vec![0; length]});
        assert_eq!(check(list(MAX_VALUES - 1)), Ok(()));
        assert_eq!(check(list(MAX_VALUES)), Err(TooLarge::Values));
        let nested = vec![json!({"a": [[], {}]}); MAX_VALUES / 4];
        assert_eq!(check(json!({"a": nested})), Err(TooLarge::Values));
    }
}
