//! The published comments, and their recognition on arrival.

use memchr::memmem::Finder;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::http;

/// The post that all clients have open.
pub const POST: &str = "bench";

/// The mutation, as pages send it.
const CREATE_COMMENT: &str = "mutation CreateComment($input: CreateCommentInput!) { \
    createComment(input: $input) { comment { id } } }";

const TEXT: &str = "I read this twice, and the second time I saw what you meant by it: the part on \
    clocks is the better half, and I would like to read more of that kind.";

/// Returns the body of the comment with this number: about 150 bytes, the number first.
pub fn body(number: u32) -> String {
    format!("#{number:08} {TEXT}")
}

/// A finder of the comment's number in a message of any protocol.
pub struct Numbers(Finder<'static>);

impl Numbers {
    pub fn new() -> Self {
        Self(Finder::new(br#""body":"#))
    }

    /// Returns `None` if the message carries no comment.
    pub fn find(&self, message: &[u8]) -> Option<u32> {
        let body = &message[self.0.find(message)? + self.0.needle().len()..];
        let digits = body.strip_prefix(b"\"#")?.get(..8)?;
        digits.iter().try_fold(0, |number, digit| {
            digit
                .is_ascii_digit()
                .then(|| number * 10 + u32::from(digit - b'0'))
        })
    }
}

/// Returns true if an object is a comment with all selected fields and a complete body.
pub fn is_complete(comment: &Value, number: u32) -> bool {
    let is_text = |pointer| {
        comment
            .pointer(pointer)
            .is_some_and(|value| value.as_str().is_some_and(|text| !text.is_empty()))
    };
    comment["body"] == body(number)
        && ["/id", "/createdAt", "/author/name", "/author/avatar"]
            .into_iter()
            .all(is_text)
}

/// A server's way of publishing a comment.
#[derive(Clone, Debug)]
pub enum Publication {
    /// The mutation `createComment`, with this token if one is needed.
    Mutation { token: Option<String> },
    /// POST /comments.
    Endpoint,
    /// The complete message for subscribers, because the floor renders none itself.
    Message,
}

impl Publication {
    /// Returns the request that publishes the comment with this number.
    pub fn request(&self, number: u32) -> Vec<u8> {
        let body = body(number);
        match self {
            Self::Mutation { token } => {
                let variables = json!({ "input": { "postId": POST, "body": body } });
                mutation(token.as_deref(), CREATE_COMMENT, &variables)
            }
            Self::Endpoint => {
                let comment = json!({ "postId": POST, "body": body });
                http::post("/comments", "", &comment.to_string())
            }
            Self::Message => http::post("/", "", &message(&body)),
        }
    }
}

/// Returns a GraphQL request over HTTP.
pub fn mutation(token: Option<&str>, document: &str, variables: &Value) -> Vec<u8> {
    let headers = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let body = json!({ "query": document, "variables": variables });
    http::post(
        "/graphql",
        headers.as_deref().unwrap_or_default(),
        &body.to_string(),
    )
}

/// Returns a message exactly as long as Causerie's own `next`.
fn message(body: &str) -> String {
    let (id, comment) = (Uuid::nil(), Uuid::nil());
    format!(
        r#"{{"type":"next","id":"{id}","payload":{{"data":{{"commentAdded":{{"id":"{comment}","body":"{body}","createdAt":"2026-11-23T09:15:00.000Z","author":{{"name":"{AUTHOR}","avatar":"{AVATAR}"}}}}}}}}}}"#
    )
}

/// The author's name, on every server.
pub const AUTHOR: &str = "Ada Lovelace";
/// The author's picture, on every server.
pub const AVATAR: &str = "https://avatars.example.org/1.png";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comment_number_is_found_in_every_protocol() {
        let numbers = Numbers::new();
        for number in [0, 12, 99_999_999] {
            let body = body(number);
            assert!((140..=160).contains(&body.len()));
            for message in [
                message(&body),
                format!(r#"42["comment",{{"id":"1","body":"{body}"}}]"#),
            ] {
                assert_eq!(numbers.find(message.as_bytes()), Some(number));
            }
        }
        for other in [
            r#"{"type":"next","id":"1","payload":{"data":{"viewerCount":12}}}"#,
            r#"{"body":"hello, who are you all?"}"#,
            r##"{"body":"#1234"##,
            r##"{"body":"#1234567x ""##,
            "",
        ] {
            assert_eq!(numbers.find(other.as_bytes()), None);
        }
    }

    #[test]
    fn comment_lacking_author_or_with_other_body_is_incomplete() {
        let whole = serde_json::from_str::<Value>(&message(&body(7))).unwrap();
        let comment = &whole["payload"]["data"]["commentAdded"];
        assert!(is_complete(comment, 7));
        assert!(!is_complete(comment, 8));
        let mut lacking = comment.clone();
        lacking["author"]["avatar"] = Value::Null;
        assert!(!is_complete(&lacking, 7));
    }
}
