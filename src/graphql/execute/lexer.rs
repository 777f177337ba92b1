//! The tokens of a document (GraphQL specification, section 2.1), for limits and counts before it is
//! parsed. It errs on the side of too many: a text that is no GraphQL has tokens, too.

/// Counts the tokens of a text. A dot or a sign is a token of its own.
pub(super) fn tokens(text: &str) -> usize {
    Tokens::new(text).count()
}

/// Returns a text in which everything between tokens is white space: commas, comments and byte order
/// marks are spaces, as many as they have bytes. apollo-parser does not skip them where it looks ahead.
///
/// A quote at the end of its line becomes a character that no token has, because apollo-parser takes the
/// line break for a part of the string. What follows would be other tokens to it than to the limits
/// (docs/upstream.md).
pub(super) fn without_ignored(text: &str) -> String {
    let mut blank = String::with_capacity(text.len());
    let mut tokens = Tokens::new(text);
    loop {
        let token = tokens.next();
        let end = text.len() - tokens.rest.len();
        let begin = end - token.map_or(0, |(_, token)| token.len());
        let ignored = &text.as_bytes()[blank.len()..begin];
        blank.extend(ignored.iter().map(|byte| match byte {
            b'\n' => '\n',
            b'\r' => '\r',
            _ => ' ',
        }));
        blank.push_str(match &text[begin..end] {
            "\"" => "'",
            token => token,
        });
        if token.is_none() {
            return blank;
        }
    }
}

/// The kind of a token, or of what is ignored between tokens, by its first byte.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Blank,
    Comment,
    Open,
    Close,
    Name,
    Quote,
    /// Another punctuator, or part of a number.
    Mark,
    /// A character beyond ASCII: a byte order mark, or one that no token has.
    Wide,
}

/// The kind of each byte. A table costs fewer instructions than comparisons.
const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Mark; 256];
    let mut byte = 0_u8;
    loop {
        kinds[byte as usize] = match byte {
            b' ' | b',' | b'\t' | b'\r' | b'\n' => Kind::Blank,
            b'#' => Kind::Comment,
            b'{' | b'[' | b'(' => Kind::Open,
            b'}' | b']' | b')' => Kind::Close,
            b'"' => Kind::Quote,
            b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => Kind::Name,
            128..=255 => Kind::Wide,
            _ => Kind::Mark,
        };
        if byte == u8::MAX {
            break kinds;
        }
        byte += 1;
    }
};

fn kind(byte: u8) -> Kind {
    KINDS[usize::from(byte)]
}

/// The bytes of a byte order mark after the first.
const REST_OF_MARK: &[u8] = &[0xBB, 0xBF];

/// The tokens of a text, each with its kind. None is empty.
pub(super) struct Tokens<'t> {
    rest: &'t [u8],
    /// False once a block string was found that has no end: then none after it has one.
    blocks_end: bool,
}

impl<'t> Tokens<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            rest: text.as_bytes(),
            blocks_end: true,
        }
    }

    /// Returns the number of bytes after the last token.
    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }
}

impl<'t> Iterator for Tokens<'t> {
    type Item = (Kind, &'t [u8]);

    // A call takes a quarter of the time of a token.
    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let text = self.rest;
            let (&first, rest) = text.split_first()?;
            let kind = kind(first);
            self.rest = match kind {
                Kind::Blank => {
                    self.rest = rest;
                    continue;
                }
                Kind::Comment => {
                    self.rest = after(rest, is_line_end);
                    continue;
                }
                Kind::Wide if first == 0xEF && rest.starts_with(REST_OF_MARK) => {
                    self.rest = &rest[REST_OF_MARK.len()..];
                    continue;
                }
                Kind::Wide => after(rest, |byte| byte & 0b1100_0000 != 0b1000_0000),
                Kind::Quote => self.after_string(rest),
                Kind::Name => after(rest, |byte| self::kind(byte) != Kind::Name),
                Kind::Open | Kind::Close | Kind::Mark => rest,
            };
            return Some((kind, &text[..text.len() - self.rest.len()]));
        }
    }
}

impl Tokens<'_> {
    /// Returns the text after a string or a block string whose first quote was read.
    fn after_string<'t>(&mut self, rest: &'t [u8]) -> &'t [u8] {
        let block = rest.strip_prefix(b"\"\"").filter(|_| self.blocks_end);
        match block.map(block_string) {
            Some(Some(rest)) => rest,
            // Counted as an empty string, and what follows as tokens: never too few.
            Some(None) => {
                self.blocks_end = false;
                &rest[1..]
            }
            None => string(rest),
        }
    }
}

/// Returns `text` from the first byte on that is an end, that byte included.
fn after(text: &[u8], is_end: impl Fn(u8) -> bool) -> &[u8] {
    let mut rest = text;
    while let [first, more @ ..] = rest
        && !is_end(*first)
    {
        rest = more;
    }
    rest
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// Returns the text after a string whose quote was read. The parser refuses a string that does not
/// end on its line.
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

/// Returns the text after a block string whose quotes were read, or `None` if it does not end.
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
    use super::*;

    #[test]
    fn ignored_characters_are_blanked_and_those_in_strings_kept() {
        let text =
            "\u{feff}{\u{feff}a,(b: \"\u{feff},#\", c: \"\"\"\u{feff}#\"\"\")\u{feff}} #é\r\n#,";
        let blank = "   {   a (b: \"\u{feff},#\"  c: \"\"\"\u{feff}#\"\"\")   }    \r\n  ";
        assert_eq!(without_ignored(text), blank);
        assert_eq!(without_ignored("{ é🦀\u{feff} }"), "{ é🦀    }");
    }

    #[test]
    fn quote_at_the_end_of_its_line_is_no_string() {
        assert_eq!(without_ignored("[\"\n\"[]"), "['\n\"[]");
        assert_eq!(without_ignored("\"\r\"x\""), "'\r\"x\"");
        assert_eq!(without_ignored("\"\" \""), "\"\" '");
    }
}
