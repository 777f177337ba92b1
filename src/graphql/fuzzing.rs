//! Documents and cursors of any bytes.

use std::sync::Arc;

use super::{
    cursor,
    operation::{Operation, Prepared},
};
use crate::model::PostId;

/// A document, and behind the first zero byte the JSON of its variables: weighed, parsed, and made ready
/// to be executed.
pub fn document(bytes: &[u8]) {
    let at = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    let (text, variables) = bytes.split_at(at);
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let variables = serde_json::from_slice(variables.get(1..).unwrap_or_default()).ok();
    let Ok(prepared) = Prepared::new(text, None) else {
        return;
    };
    if let Ok(operation) = Operation::new(Arc::new(prepared), variables) {
        operation.root();
        operation.template();
        operation.name();
        operation.into_request();
    }
}

/// A cursor, of one post: what is read is written in the same way.
pub fn cursor(bytes: &[u8]) {
    let (Ok(text), Some(post)) = (std::str::from_utf8(bytes), PostId::parse("hello")) else {
        return;
    };
    if let Ok(seq) = cursor::decode(&post, text) {
        assert_eq!(cursor::encode(&post, seq), text);
    }
}
