//! Lines and columns of a document's text.

use apollo_compiler::parser::SourceSpan;
use async_graphql::Pos;
use memchr::memchr2_iter;

/// The positions of byte offsets in one document.
///
/// Lines end with LF, CR or CRLF (GraphQL specification, section 2.1.2). Columns count characters.
/// Both begin with 1.
pub(super) struct Positions<'t> {
    text: &'t str,
    /// The offsets at which lines begin.
    lines: Vec<usize>,
}

impl<'t> Positions<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let bytes = text.as_bytes();
        let ends = memchr2_iter(b'\n', b'\r', bytes);
        let ends = ends.filter(|&at| bytes[at] == b'\n' || bytes.get(at + 1) != Some(&b'\n'));
        let begins = ends.map(|at| at + 1);
        Self {
            text,
            lines: std::iter::once(0).chain(begins).collect(),
        }
    }

    /// Returns the position of `offset`, which is at a character's boundary.
    pub(super) fn at(&self, offset: usize) -> Pos {
        let line = self.lines.partition_point(|begin| *begin <= offset);
        let begin = self.lines[line - 1];
        let before = self.text.get(begin..offset).unwrap_or_default();
        Pos {
            line,
            column: before.chars().count() + 1,
        }
    }

    /// Returns the position at which `span` begins.
    pub(super) fn of(&self, span: Option<SourceSpan>) -> Option<Pos> {
        span.map(|span| self.at(span.offset()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_with_lf_cr_or_crlf() {
        let positions = Positions::new("a\nb\rc\r\nd");
        let lines = [0, 2, 4, 7].map(|offset| positions.at(offset));
        let expected = [1, 2, 3, 4].map(|line| Pos { line, column: 1 });
        assert_eq!(lines, expected);
    }

    #[test]
    fn column_counts_characters() {
        let text = "{ a(b: \"äö🦀\") c }";
        let offset = text.find('c').unwrap();
        assert_eq!(
            Positions::new(text).at(offset),
            Pos {
                line: 1,
                column: 15
            }
        );
    }
}
