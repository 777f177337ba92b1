//! Entry points for fuzzing: documents, cursors and responses of any bytes.

use std::{num::NonZeroUsize, sync::LazyLock};

use super::{
    execute::{DocumentSource, Params, Requests},
    schema::cursor,
};
use crate::{
    json::Object,
    model::{Epoch, PostId},
    telemetry::Registry,
};

/// Building the schema takes longer than most documents do.
static REQUESTS: LazyLock<Requests> =
    LazyLock::new(|| Requests::new(NonZeroUsize::MIN, 1, 32, &Registry::new()));

/// Prepares a document; after the first zero byte comes the JSON of its variables.
pub fn document(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let Ok(text) = std::str::from_utf8(parts.next().unwrap_or_default()) else {
        return;
    };
    let params = Params {
        document: DocumentSource::Text(text.to_owned()),
        operation_name: None,
        variables: serde_json::from_slice(parts.next().unwrap_or_default())
            .ok()
            .map(|Object(variables)| variables),
        client: None,
    };
    if let Ok(operation) = REQUESTS.prepare(params) {
        operation.exercise();
    }
}

/// A response, written within a limit and a budget of memory.
pub fn response(bytes: &[u8]) {
    super::execute::fuzzing::response(bytes);
}

/// A cursor, of one post: what is read is written in the latest version.
pub fn cursor(bytes: &[u8]) {
    let (Ok(text), Some(post)) = (std::str::from_utf8(bytes), PostId::parse("hello")) else {
        return;
    };
    if let Ok(seq) = cursor::decode(Epoch::FIRST, &post, text) {
        let text = cursor::encode(Epoch::FIRST, &post, seq);
        assert_eq!(cursor::decode(Epoch::FIRST, &post, &text).ok(), Some(seq));
    }
}
