//! A list of blocked words and phrases, and the search for them in a text.
//!
//! Both are compared as sequences of folded words. A word is one if the Unicode rules for word
//! boundaries (UAX 29) say so, and each sign of punctuation is a word of its own. White space only
//! separates words.

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use unicode_segmentation::UnicodeSegmentation;

use super::ListError;
use crate::text;

/// Maximum size of a list, in bytes.
pub(super) const MAX_BYTES: usize = 1024 * 1024;
/// Maximum number of lines of a list.
const MAX_LINES: usize = 10_000;
/// Maximum size of all its words after folding, in bytes. Some characters fold to many.
const MAX_FOLDED_BYTES: usize = 2 * MAX_BYTES;
/// The mark of a boundary between two words. As it is white space, no word contains it.
const BOUNDARY: char = '\n';
/// The start of a line that is a comment.
const COMMENT: char = '#';

/// A list of blocked words and phrases.
#[derive(Debug)]
pub(super) struct WordList {
    automaton: AhoCorasick,
}

impl WordList {
    /// Parses a list: a word or phrase a line. A line that begins with `#` is a comment.
    pub(super) fn parse(text: &str) -> Result<Self, ListError> {
        if text.lines().nth(MAX_LINES).is_some() {
            return Err(ListError::TooManyLines(MAX_LINES));
        }
        let lines = text.lines().filter(|line| !line.starts_with(COMMENT));
        let entries = lines
            .map(words)
            .filter(|words| words.len() > BOUNDARY.len_utf8());
        let entries: Vec<String> = entries.collect();
        if entries.iter().map(String::len).sum::<usize>() > MAX_FOLDED_BYTES {
            return Err(ListError::TooLarge(MAX_BYTES));
        }
        // A DFA of long phrases would take a gigabyte.
        let builder = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(entries);
        Ok(Self {
            automaton: builder.expect("two megabytes of words fit"),
        })
    }

    /// Returns true if an entry of the list is in `text`. Takes time linear in its length.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.automaton.is_match(&words(text))
    }

    /// Returns the number of entries.
    pub(super) fn len(&self) -> usize {
        self.automaton.patterns_len()
    }
}

/// Returns the folded words of a text, each between two boundaries.
fn words(text: &str) -> String {
    let text = text::folded(text);
    let segments = text.split_word_bounds();
    let words = segments.filter(|segment| !segment.chars().all(char::is_whitespace));
    let mut marked = String::from(BOUNDARY);
    for word in words {
        marked.push_str(word);
        marked.push(BOUNDARY);
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_found(list: &str, texts: &[&str]) {
        let words = WordList::parse(list).unwrap();
        for text in texts {
            assert!(words.is_in(text), "{list:?} in {text:?}");
        }
    }

    #[track_caller]
    fn assert_absent(list: &str, texts: &[&str]) {
        let words = WordList::parse(list).unwrap();
        for text in texts {
            assert!(!words.is_in(text), "{list:?} in {text:?}");
        }
    }

    #[test]
    fn word_is_found_whole_and_not_in_another() {
        assert_found(
            "ass",
            &["ass", "Kiss my ass!", "(ass)", "an ass, a mule", "ass-hat"],
        );
        assert_absent(
            "ass",
            &["", "classic", "Assisi", "grass", "a s s", "ass2", "ass_"],
        );
        assert_found("can't", &["I can't.", "CAN'T"]);
        assert_absent("can", &["I can't."]);
    }

    #[test]
    fn case_is_folded_in_all_scripts() {
        assert_found("strasse", &["Straße", "STRASSE", "STRAẞE"]);
        assert_found("Straße", &["strasse"]);
        assert_found("ΌΣΟΣ", &["όσος", "όσοσ"]);
        assert_found("москва", &["МОСКВА", "Москва"]);
        assert_found("i\u{307}", &["\u{130}"]);
    }

    #[test]
    fn compatible_and_decomposed_forms_are_equal() {
        assert_found("fish", &["ﬁsh", "ｆｉｓｈ", "ＦＩＳＨ", "𝓯𝓲𝓼𝓱", "ⓕⓘⓢⓗ"]);
        assert_found("café", &["cafe\u{301}", "CAFE\u{301}"]);
        assert_found("cafe\u{301}", &["café"]);
        assert_absent("cafe", &["café", "cafe\u{301}"]);
    }

    #[test]
    fn invisible_characters_hide_no_word() {
        assert_found(
            "fish",
            &["fi\u{200b}sh", "f\u{ad}ish", "\u{202e}fish", "fis\u{200d}h"],
        );
        assert_found("\u{feff}fish", &["fish"]);
        assert_absent("fish", &["fish\u{200b}monger"]);
    }

    #[test]
    fn phrase_is_found_across_any_white_space() {
        assert_found("buy now", &["Buy now!", "buy\n\n  now", "do buy\u{a0}now"]);
        assert_absent(
            "buy now",
            &["buy it now", "now buy", "buy nowhere", "buy, now"],
        );
        assert_found("  buy\t now  ", &["buy now"]);
        assert_found("a b\nb c", &["a b c", "x b c"]);
        assert_found("a a b", &["a a a b"]);
    }

    #[test]
    fn signs_and_scripts_without_spaces_are_words() {
        assert_found("c++", &["I like C++."]);
        assert_found("🍆", &["look:🍆🍆"]);
        assert_found("你好", &["大家你好吗"]);
        assert_found("$$$", &["make $$$ fast"]);
        assert_absent("$$$", &["make $ fast"]);
    }

    #[test]
    fn comments_and_blank_lines_are_no_entries() {
        let list = WordList::parse("# fish\n\n \t\n\u{200b}\nmeat\r\n").unwrap();
        assert_eq!(list.len(), 1);
        assert!(list.is_in("meat") && !list.is_in("fish # \n \u{200b}"));
        assert_eq!(WordList::parse("").unwrap().len(), 0);
        assert_absent("", &["", "a"]);
    }

    #[test]
    fn list_is_refused_beyond_its_bounds() {
        let lines = "word\n".repeat(MAX_LINES);
        assert_eq!(WordList::parse(&lines).unwrap().len(), MAX_LINES);
        let error = WordList::parse(&format!("{lines}word")).unwrap_err();
        assert!(matches!(error, ListError::TooManyLines(_)));
        // One character that is a sentence.
        let long = "\u{fdfa}".repeat(MAX_FOLDED_BYTES / 30);
        let error = WordList::parse(&long).unwrap_err();
        assert!(matches!(error, ListError::TooLarge(_)));
    }
}
