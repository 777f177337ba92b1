//! Plain text of HTML.

use quick_xml::escape::{resolve_html5_entity, unescape_with};

/// Length of the longest reference that is decoded, from `&` to `;`.
const MAX_REFERENCE: usize = 40;

/// Returns the text of a piece of HTML: without tags, and with its character references decoded.
pub(super) fn text(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(start) = rest.find(['<', '&']) {
        text.push_str(&rest[..start]);
        rest = &rest[start..];
        if let Some(length) = tag(rest) {
            rest = &rest[length..];
        } else if let Some((decoded, length)) = reference(rest) {
            text.push_str(&decoded);
            rest = &rest[length..];
        } else {
            text.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    text.push_str(rest);
    text
}

/// Returns the length of the tag that `html` begins with.
fn tag(html: &str) -> Option<usize> {
    let after = html.strip_prefix('<')?;
    let is_tag =
        after.starts_with(|first: char| first.is_ascii_alphabetic() || "/!?".contains(first));
    let end = html.find('>').filter(|_| is_tag)?;
    Some(end + 1)
}

/// Returns the text of the reference that `html` begins with, and the reference's length.
fn reference(html: &str) -> Option<(String, usize)> {
    let bytes = &html.as_bytes()[..html.len().min(MAX_REFERENCE)];
    let end = bytes.iter().position(|byte| *byte == b';')?;
    let reference = html.get(..=end).filter(|text| text.starts_with('&'))?;
    let decoded = unescape_with(reference, resolve_html5_entity).ok()?;
    Some((decoded.into_owned(), end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_text_has_neither_tags_nor_references() {
        for (html, plain) in [
            ("", ""),
            ("plain", "plain"),
            ("<em>a</em> b<br/>", "a b"),
            ("<a href=\"x\">a</a><!-- c -->", "a"),
            ("AT&amp;T, AT&T &", "AT&T, AT&T &"),
            ("It&#8217;s &#x2019; &eacute;&nbsp;", "It’s ’ é\u{a0}"),
            ("&lt;em&gt;", "<em>"),
            ("1 < 2 <3 > 0", "1 < 2 <3 > 0"),
            ("a <b", "a <b"),
            ("&unknown; &#xD800; &#0; &;", "&unknown; &#xD800; &#0; &;"),
            ("&é;é", "&é;é"),
        ] {
            assert_eq!(text(html), plain, "{html:?}");
        }
    }
}
