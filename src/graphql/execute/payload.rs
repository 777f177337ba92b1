//! Responses as JSON, bounded in bytes.

use std::io;

use async_graphql::Response;

use crate::feed::{Payload, RenderError};

/// A buffer that refuses to grow beyond its limit.
struct Limited {
    bytes: Vec<u8>,
    limit: usize,
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.limit - self.bytes.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a response of at most `limit` bytes: keys, escapes and errors included.
pub(super) fn write(response: &Response, limit: usize) -> Result<Payload, RenderError> {
    let mut buffer = Limited {
        bytes: Vec::new(),
        limit,
    };
    match serde_json::to_writer(&mut buffer, response) {
        Ok(()) => String::from_utf8(buffer.bytes)
            .map(Payload::from)
            .map_err(|_| RenderError::Failed),
        Err(error) if error.is_io() => Err(RenderError::TooLarge),
        Err(_) => Err(RenderError::Failed),
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{Name, Value};

    use super::*;

    #[test]
    fn limit_counts_keys_and_escapes_to_the_byte() {
        let fields = [(Name::new("key"), Value::String("\u{1}é".to_owned()))];
        let response = Response::new(Value::Object(fields.into_iter().collect()));
        let text = "{\"data\":{\"key\":\"\\u0001é\"}}";
        assert_eq!(&*write(&response, text.len()).unwrap(), text);
        let refused = write(&response, text.len() - 1);
        assert_eq!(refused.unwrap_err(), RenderError::TooLarge);
    }
}
