//! Responses as JSON, bounded in bytes.

use std::io;

use async_graphql::Response;

use crate::{
    error::Error,
    feed::{Payload, RenderError},
    memory::{Account, Reservation},
};

/// Number of bytes that are reserved at a time.
pub(super) const BLOCK: usize = 16 * 1024;

/// A buffer that refuses to grow beyond its limit, and reserves its memory before it grows.
struct Limited {
    bytes: Vec<u8>,
    limit: usize,
    memory: Reservation,
    refused: Option<Error>,
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.bytes.len() + bytes.len();
        if length > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if length > self.memory.bytes() {
            let missing = (length - self.memory.bytes()).next_multiple_of(BLOCK);
            self.memory.grow(missing).map_err(|error| {
                self.refused = Some(error);
                io::ErrorKind::OutOfMemory
            })?;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a response of at most `limit` bytes: keys, escapes and errors included. Its memory is reserved
/// from `account`.
///
/// # Errors
///
/// Returns the error of the limit or of the reservation, or an internal one.
pub(super) fn write(
    response: &Response,
    limit: usize,
    account: &Account,
) -> Result<Payload, WriteError> {
    let mut buffer = Limited {
        bytes: Vec::new(),
        limit,
        memory: account.empty(),
        refused: None,
    };
    let written = serde_json::to_writer(&mut buffer, response);
    let Limited {
        bytes,
        mut memory,
        refused,
        ..
    } = buffer;
    match (written, refused) {
        (Ok(()), _) => {
            let text = String::from_utf8(bytes).map_err(|_| WriteError::Failed)?;
            memory.shrink_to(text.len());
            Ok(Payload::new(text, memory))
        }
        (Err(_), Some(error)) => Err(WriteError::NoMemory(error)),
        (Err(error), None) if error.is_io() => Err(WriteError::TooLarge),
        (Err(_), None) => Err(WriteError::Failed),
    }
}

/// The reason why a response could not be written.
#[derive(Debug)]
pub(super) enum WriteError {
    /// It would be larger than its limit.
    TooLarge,
    /// The memory for it could not be reserved.
    NoMemory(Error),
    /// It could not be serialized.
    Failed,
}

impl From<WriteError> for RenderError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::TooLarge => Self::TooLarge,
            WriteError::NoMemory(_) => Self::Overloaded,
            WriteError::Failed => Self::Failed,
        }
    }
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::TooLarge => Self::TooLarge("The response would have too many bytes."),
            WriteError::NoMemory(error) => error,
            WriteError::Failed => Self::Internal("a response could not be written".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{Name, Value};

    use super::*;

    fn response(text: &str) -> Response {
        let fields = [(Name::new("key"), Value::String(text.to_owned()))];
        Response::new(Value::Object(fields.into_iter().collect()))
    }

    #[test]
    fn limit_counts_keys_and_escapes_to_the_byte() {
        let memory = Account::separate(1024 * 1024);
        let response = response("\u{1}é");
        let text = "{\"data\":{\"key\":\"\\u0001é\"}}";
        assert_eq!(&*write(&response, text.len(), &memory).unwrap(), text);
        let refused = write(&response, text.len() - 1, &memory);
        assert!(matches!(refused, Err(WriteError::TooLarge)));
    }

    #[test]
    fn memory_is_reserved_until_the_last_clone_is_dropped() {
        let memory = Account::separate(3 * BLOCK);
        let write = |length: usize| write(&response(&"x".repeat(length)), 8 * BLOCK, &memory);
        let payload = write(BLOCK).unwrap();
        assert_eq!(memory.used(), payload.len());
        let clone = payload.clone();
        drop(payload);
        assert_eq!(memory.used(), clone.len());
        assert!(matches!(
            write(2 * BLOCK),
            Err(WriteError::NoMemory(Error::Overloaded))
        ));
        drop(clone);
        assert_eq!(memory.used(), 0);
        assert!(write(2 * BLOCK).is_ok());
    }
}
