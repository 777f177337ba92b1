//! Cleaning of the texts that users and host sites write: names, titles, bodies and URLs.

mod folded;
mod visible;
mod web_url;

use icu_properties::{CodePointSetData, props::BidiControl};
use unicode_segmentation::UnicodeSegmentation;

use self::visible::is_visible;
pub use self::{
    folded::folded,
    web_url::{MAX_URL_BYTES, web_url},
};

/// Maximum length of a name in characters. A longer one is truncated.
const MAX_NAME_CHARS: usize = 80;

/// Cleans a text of one line, such as a name or a title. Returns `None` if nothing of it is visible.
///
/// Bidirectional controls are removed, because they reorder the text that is displayed next to it.
/// Control characters count as spaces, and a run of white space becomes one space.
pub fn line(text: &str) -> Option<String> {
    let text = text
        .replace(is_bidi_control, "")
        .replace(char::is_control, " ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    line.contains(is_visible).then_some(line)
}

/// Cleans a text of several lines. Returns `None` if nothing of it is visible.
///
/// Blank lines at its start and white space at its end are removed. The first line keeps its
/// indentation, which has a meaning in code and in Markdown.
pub fn paragraphs(text: &str) -> Option<&str> {
    let text = text.trim_end();
    let first = text.find(|character: char| !character.is_whitespace())?;
    let start = text[..first].rfind(['\n', '\r']).map_or(0, |end| end + 1);
    text.contains(is_visible).then_some(&text[start..])
}

/// Cleans a user's name as [`line()`] does, and truncates it to 80 characters between two grapheme
/// clusters. Returns `None` if nothing that is left is visible.
pub fn name(text: &str) -> Option<String> {
    let line = line(text)?;
    let mut chars = 0;
    let fits = |grapheme: &&str| {
        chars += grapheme.chars().count();
        chars <= MAX_NAME_CHARS
    };
    let name: String = line.graphemes(true).take_while(fits).collect();
    let name = name.trim_end();
    name.contains(is_visible).then(|| name.to_owned())
}

fn is_bidi_control(character: char) -> bool {
    CodePointSetData::new::<BidiControl>().contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILY: &str = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}";

    #[test]
    fn line_has_single_spaces_and_no_controls() {
        for (text, cleaned) in [
            ("Ada", "Ada"),
            (" \t Ada \u{3000} Lovelace \r\n", "Ada Lovelace"),
            ("Ada\u{7}Lovelace", "Ada Lovelace"),
            ("a\0b", "a b"),
            ("a\u{2028}b\u{85}c", "a b c"),
            ("\u{202e}nimdA\u{2066}", "nimdA"),
            ("a \u{200f} b\u{61c}", "a b"),
            ("\u{5d3}\u{5e0}\u{5d4}", "\u{5d3}\u{5e0}\u{5d4}"),
            (
                "\u{645}\u{6cc}\u{200c}\u{62e}",
                "\u{645}\u{6cc}\u{200c}\u{62e}",
            ),
            (FAMILY, FAMILY),
        ] {
            assert_eq!(line(text).as_deref(), Some(cleaned), "{text:?}");
        }
        for blank in [
            "",
            " \n",
            "\0",
            "\u{1} \u{1}",
            "\u{7f}",
            "\u{202e}",
            "\u{200b}",
        ] {
            assert_eq!(line(blank), None, "{blank:?}");
        }
    }

    #[test]
    fn paragraphs_keep_the_indentation_of_their_first_line() {
        for (text, cleaned) in [
            ("a", "a"),
            ("  a \n\n", "  a"),
            ("\n    if x:\n        y()\n", "    if x:\n        y()"),
            (" \t\r\n\r\n\ta\r\n b", "\ta\r\n b"),
        ] {
            assert_eq!(paragraphs(text), Some(cleaned), "{text:?}");
        }
        for blank in ["", " \r\n\t", "\u{200d}\n\u{fe0f}"] {
            assert_eq!(paragraphs(blank), None, "{blank:?}");
        }
    }

    #[test]
    fn name_is_truncated_between_graphemes() {
        let ones = "x".repeat(79);
        for rest in ["", FAMILY, " y", "e\u{301}"] {
            let text = format!("{ones}{rest}");
            assert_eq!(name(&text).as_ref(), Some(&ones), "{text:?}");
        }
        assert_eq!(name(&format!(" {ones}xy")), Some("x".repeat(80)));
        let hidden = format!("{}x", "\u{3164}".repeat(80));
        assert_eq!(name(&hidden), None);
    }
}
