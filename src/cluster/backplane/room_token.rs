//! Post ids as tokens of NATS subjects.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::model::PostId;

/// Characters that a token has as the id has them. Nodes of all releases must agree about them.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'/')
    .remove(b'-');

/// Returns the token of a post's id. Different ids have different tokens.
///
/// A dot would divide the subject, and an id may begin or end with one. So it becomes an equals sign,
/// which is percent-encoded where an id has it.
pub(super) fn room_token(post: &PostId) -> String {
    let encoded = utf8_percent_encode(post.as_str(), KEPT);
    encoded.to_string().replace('.', "=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_unique_and_has_no_meaning_for_nats() {
        for (id, token) in [
            ("AZaz09_~:/-", "AZaz09_~:/-"),
            ("a.b..", "a=b=="),
            ("a=b", "a%3Db"),
            ("a%3Db", "a%253Db"),
            ("*", "%2A"),
            (">", "%3E"),
            ("$SYS", "%24SYS"),
            ("/ü?p=1", "/%C3%BC%3Fp%3D1"),
        ] {
            assert_eq!(room_token(&PostId::parse(id).unwrap()), token);
        }
    }
}
