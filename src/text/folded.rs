//! Folding of texts that are compared.

use std::borrow::Cow;

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizer;
use icu_properties::{CodePointSetData, props::DefaultIgnorableCodePoint};

/// Folds a text as the mapping NFKC_Casefold of the Unicode Standard does: neither case, compatible
/// forms nor invisible characters make a difference.
pub fn folded(text: &str) -> String {
    let normalizer = ComposingNormalizer::new_nfkc();
    let text = normalizer.normalize(text);
    let text: Cow<str> = match text.contains(is_ignorable) {
        true => text.replace(is_ignorable, "").into(),
        false => text,
    };
    let text = CaseMapper::new().fold_string(&text);
    normalizer.normalize(&text).into_owned()
}

fn is_ignorable(character: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
}
