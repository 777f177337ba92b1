//! Results as the parts of one response: Apollo's multipart protocol for subscriptions, version 1.0.
//!
//! A client can tell that a part is over only when it sees the delimiter behind it, so each part is
//! sent together with that. What ends a stream before its subscription is over is told as an error
//! of the protocol (`payload` is null); Apollo Client's RetryLink subscribes again on those.

use async_graphql::ServerError;

use super::stream::{Ending, Wire};
use crate::metrics::Lasting;

/// `multipart/mixed`.
pub(super) struct Multipart;

impl Wire for Multipart {
    const LASTING: Lasting = Lasting::Multipart;
    const CONTENT_TYPE: &'static str = r#"multipart/mixed;boundary="graphql";subscriptionSpec=1.0"#;
    const OPENING: &'static str = "\r\n--graphql";
    const HEARTBEAT: &'static str = "\r\nContent-Type: application/json\r\n\r\n{}\r\n--graphql";
    const COMPLETE: &'static str = "--\r\n";

    fn next(result: &str) -> String {
        part(&format!(r#"{{"payload":{result}}}"#))
    }

    fn interrupted(error: &ServerError) -> Ending {
        let message = serde_json::json!({"payload": null, "errors": [error]});
        Ending::Orderly(part(&message.to_string()) + Self::COMPLETE)
    }
}

/// A part and the delimiter behind it; the one before it is there already.
fn part(json: &str) -> String {
    format!("\r\nContent-Type: application/json\r\n\r\n{json}\r\n--graphql")
}
