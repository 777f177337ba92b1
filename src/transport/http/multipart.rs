//! Apollo's multipart protocol for subscriptions, version 1.0.
//!
//! A client recognizes the end of a part by the delimiter after it, so each part is sent with that
//! delimiter. If the server interrupts a subscription, it sends a transport error (`payload` is
//! null). Apollo Client's RetryLink then subscribes again.

use std::borrow::Cow;

use async_graphql::ServerError;

use super::stream::{Ending, StreamEncoding};
use crate::{graphql::Payload, transport::operation_log::TransportLabel};

/// `multipart/mixed`.
pub(super) struct Multipart;

impl StreamEncoding for Multipart {
    const LABEL: TransportLabel = TransportLabel::Multipart;
    const CONTENT_TYPE: &'static str = r#"multipart/mixed;boundary="graphql";subscriptionSpec=1.0"#;
    const PREAMBLE: &'static str = "\r\n--graphql";
    const HEARTBEAT: &'static str = "\r\nContent-Type: application/json\r\n\r\n{}\r\n--graphql";
    const COMPLETE: &'static str = "--\r\n";

    const AFTER_RESULT: &'static str = "}\r\n--graphql";

    fn before_result(_: &Payload) -> Cow<'static, str> {
        "\r\nContent-Type: application/json\r\n\r\n{\"payload\":".into()
    }

    fn interrupt(error: &ServerError) -> Ending {
        let message = serde_json::json!({"payload": null, "errors": [error]});
        Ending::Final(part(&message.to_string()) + Self::COMPLETE)
    }
}

/// Formats a part with the delimiter after it. The delimiter before it was already sent.
fn part(json: &str) -> String {
    format!("\r\nContent-Type: application/json\r\n\r\n{json}\r\n--graphql")
}
