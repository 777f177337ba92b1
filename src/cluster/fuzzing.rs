//! Messages between nodes, of any bytes.

use super::wire::Message;

/// One message: what is understood is said again in the same words.
pub fn wire(bytes: &[u8]) {
    if let Ok(message) = Message::decode(bytes) {
        let said = message.encode().unwrap_or_default();
        let heard = Message::decode(&said).ok();
        assert_eq!(
            heard,
            Some(message),
            "it is not the same when it is said again"
        );
    }
}
