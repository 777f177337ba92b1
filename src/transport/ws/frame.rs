//! Frames that the server sends (RFC 6455, section 5.2): whole messages, unmasked.

use std::{io::IoSlice, sync::Arc};

use axum::body::Bytes;
use smallvec::SmallVec;
use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

use super::{close::Close, message};
use crate::graphql::Payload;

/// Maximum length of the header of an unmasked frame.
const MAX_HEADER: usize = 10;
/// The end of a `next` message, after its payload.
const SUFFIX: &[u8] = b"}";
/// Maximum number of slices in a frame.
pub(super) const MAX_SLICES: usize = 4;

/// A frame, ready to be written.
#[derive(Debug)]
pub(super) enum Frame {
    /// A frame for one client.
    Own(Bytes),
    /// A `next` message whose payload is shared with other clients.
    Next {
        header: Header,
        prefix: Arc<str>,
        payload: Payload,
    },
}

/// The header of a text frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    bytes: [u8; MAX_HEADER],
    len: u8,
}

impl Frame {
    /// Creates a text message.
    pub(super) fn text(text: &str) -> Self {
        Self::own(OpCode::Data(Data::Text), text.as_bytes())
    }

    /// Creates a ping without data.
    pub(super) fn ping() -> Self {
        Self::own(OpCode::Control(Control::Ping), &[])
    }

    /// Creates a close frame with code and reason.
    pub(super) fn close(close: &Close) -> Self {
        let mut payload = close.code().to_be_bytes().to_vec();
        payload.extend_from_slice(close.reason().as_bytes());
        Self::own(OpCode::Control(Control::Close), &payload)
    }

    /// Creates a `next` message. `prefix` comes from [`next_prefix`].
    pub(super) fn next(prefix: &Arc<str>, payload: &Payload) -> Self {
        let len = prefix.len() + payload.len() + SUFFIX.len();
        Self::Next {
            header: Header::new(OpCode::Data(Data::Text), len),
            prefix: Arc::clone(prefix),
            payload: Payload::clone(payload),
        }
    }

    /// Returns the size of the frame, header included.
    pub(super) fn len(&self) -> usize {
        self.slices().iter().map(|slice| slice.len()).sum()
    }

    /// Returns the bytes of the frame as slices. Some may be empty.
    pub(super) fn slices(&self) -> [IoSlice<'_>; MAX_SLICES] {
        match self {
            Self::Own(bytes) => {
                let empty = IoSlice::new(&[]);
                [IoSlice::new(bytes), empty, empty, empty]
            }
            Self::Next {
                header,
                prefix,
                payload,
            } => [
                IoSlice::new(header.as_bytes()),
                IoSlice::new(prefix.as_bytes()),
                IoSlice::new(payload.as_bytes()),
                IoSlice::new(SUFFIX),
            ],
        }
    }

    fn own(opcode: OpCode, payload: &[u8]) -> Self {
        let header = Header::new(opcode, payload.len());
        let mut bytes = Vec::with_capacity(header.as_bytes().len() + payload.len());
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(payload);
        Self::Own(bytes.into())
    }
}

impl Header {
    fn new(opcode: OpCode, payload: usize) -> Self {
        let header = FrameHeader {
            opcode,
            ..FrameHeader::default()
        };
        let mut bytes = [0; MAX_HEADER];
        let mut rest = &mut bytes[..];
        // The array fits the longest header, so this cannot fail.
        let _ = header.format(payload as u64, &mut rest);
        let unused = rest.len();
        Self {
            bytes,
            len: u8::try_from(MAX_HEADER - unused).unwrap_or_default(),
        }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len.into()]
    }
}

/// Appends a whole `next` message to `bytes` if that needs no allocation, else returns false.
pub(super) fn append_next<const N: usize>(
    prefix: &str,
    payload: &str,
    bytes: &mut SmallVec<[u8; N]>,
) -> bool
where
    [u8; N]: smallvec::Array<Item = u8>,
{
    let len = prefix.len() + payload.len() + SUFFIX.len();
    if bytes.len() + MAX_HEADER + len > N {
        return false;
    }
    let header = Header::new(OpCode::Data(Data::Text), len);
    for part in [
        header.as_bytes(),
        prefix.as_bytes(),
        payload.as_bytes(),
        SUFFIX,
    ] {
        bytes.extend_from_slice(part);
    }
    true
}

/// Returns the part of an operation's `next` messages that precedes the payload.
pub(super) fn next_prefix(id: &message::OperationId) -> Arc<str> {
    let id = serde_json::to_string(id).unwrap_or_default();
    format!(r#"{{"type":"next","id":{id},"payload":"#).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(frame: &Frame) -> Vec<u8> {
        let slices = frame.slices();
        slices.iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn headers_follow_the_rfc_at_each_length() {
        let header = |len: usize| bytes(&Frame::text(&"x".repeat(len)))[..].to_vec();
        assert_eq!(header(0), [0x81, 0]);
        assert_eq!(header(125)[..2], [0x81, 125]);
        assert_eq!(header(126)[..4], [0x81, 126, 0, 126]);
        assert_eq!(header(65_535)[..4], [0x81, 126, 255, 255]);
        assert_eq!(header(65_536)[..10], [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(bytes(&Frame::ping()), [0x89, 0]);
        let close = bytes(&Frame::close(&Close::Restarting));
        assert_eq!(close[..4], [0x88, 17, 0x03, 0xf4]);
        assert_eq!(&close[4..], b"Service restart");
    }

    #[test]
    fn next_message_is_a_prefix_and_the_shared_payload() {
        let id = message::OperationId("a\"b".to_owned());
        let frame = Frame::next(&next_prefix(&id), &Payload::from(r#"{"data":1}"#));
        let text = br#"{"type":"next","id":"a\"b","payload":{"data":1}}"#;
        let bytes = bytes(&frame);
        assert_eq!(usize::from(bytes[1]), text.len());
        assert_eq!(&bytes[2..], text);
        assert_eq!(frame.len(), bytes.len());
    }
}
