//! The entry point for fuzzing messages between nodes.

use super::wire::Message;

/// Decodes arbitrary bytes. Panics if a valid message changes when it is encoded and decoded again.
pub fn wire(bytes: &[u8]) {
    if let Ok(message) = Message::decode(bytes) {
        let encoded = message.encode().unwrap_or_default();
        let decoded = Message::decode(&encoded).ok();
        assert_eq!(decoded, Some(message), "the message changed");
    }
}
