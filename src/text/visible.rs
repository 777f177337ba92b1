//! Characters that leave a mark when they are displayed.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup, WhiteSpace},
};

/// Symbols whose glyph is blank, although Unicode has no property that says so: the empty Braille
/// pattern and the null notehead.
const BLANK_SYMBOLS: [char; 2] = ['\u{2800}', '\u{1d159}'];

/// Categories of characters that control others, or separate them.
const BLANK: GeneralCategoryGroup = GeneralCategoryGroup::Control
    .union(GeneralCategoryGroup::Format)
    .union(GeneralCategoryGroup::Separator);

/// Returns true for a character with a glyph. Joiners and variation selectors have none.
pub(super) fn is_visible(character: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(character);
    !BLANK.contains(category)
        && !CodePointSetData::new::<WhiteSpace>().contains(character)
        && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
        && !BLANK_SYMBOLS.contains(&character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_without_a_glyph_are_not_visible() {
        for blank in [
            ' ',
            '\t',
            '\n',
            '\0',
            '\u{1}',
            '\u{7f}',
            '\u{85}',
            '\u{a0}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{1160}',
            '\u{1680}',
            '\u{180e}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{200e}',
            '\u{2028}',
            '\u{202e}',
            '\u{2060}',
            '\u{2800}',
            '\u{3000}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{1d159}',
            '\u{e0041}',
            '\u{e0100}',
        ] {
            assert!(!is_visible(blank), "{blank:?}");
        }
    }

    #[test]
    fn letters_marks_symbols_and_emoji_are_visible() {
        for glyph in [
            'a',
            '0',
            '.',
            '\u{301}',
            'é',
            '你',
            '\u{6cc}',
            '\u{1f630}',
            '\u{e000}',
        ] {
            assert!(is_visible(glyph), "{glyph:?}");
        }
    }
}
