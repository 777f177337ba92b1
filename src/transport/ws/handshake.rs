//! From HTTP to WebSocket: the opening handshake (RFC 6455, section 4.2), and taking over the TCP
//! connection below it.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE},
    },
    response::{IntoResponse, Response},
};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tungstenite::{
    error::{Error, ProtocolError},
    handshake::server::create_response_with_body,
};

use super::{close::Close, session::Socket};
use crate::{
    metrics::Lasting,
    transport::{
        Transport,
        http::{
            request_id::RequestId,
            response::{self, SHUTDOWN_RETRY_AFTER},
        },
    },
};

const SUBPROTOCOL: &str = "graphql-transport-ws";

/// Whether the request is the beginning of a handshake. An `Upgrade` to anything else may be
/// ignored (RFC 9110, section 7.8).
pub(in crate::transport) fn is_upgrade(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(UPGRADE).and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}

/// Answers a handshake. The socket's task is counted from now on: a server that goes down waits for
/// it, although it begins only when the client has seen the answer.
pub(in crate::transport) fn accept(
    transport: Arc<Transport>,
    request_id: RequestId,
    mut request: Request,
) -> Response {
    let mut response = match create_response_with_body(&request, Body::empty) {
        Ok(response) => response,
        Err(error) => return refuse(&error),
    };
    let Some(guest) = transport.drain.register() else {
        return restarting();
    };
    let upgrade = hyper::upgrade::on(&mut request);
    let (request, _) = request.into_parts();
    let Ok(seat) = transport.admission.admit_stream(&request) else {
        return response::too_many_sockets();
    };
    let address = transport.admission.client(&request);
    let is_spoken = offers_subprotocol(&request.headers);
    if is_spoken {
        let chosen = HeaderValue::from_static(SUBPROTOCOL);
        response
            .headers_mut()
            .insert(SEC_WEBSOCKET_PROTOCOL, chosen);
    }
    let tasks = transport.tasks.clone();
    tasks.spawn(async move {
        let upgraded = match upgrade.await {
            Ok(upgraded) => upgraded,
            // The client went before it had the answer.
            Err(error) => return tracing::debug!(%error, "no upgrade"),
        };
        let Some((tcp, read)) = below(upgraded) else {
            return tracing::error!("a WebSocket came over something else than TCP");
        };
        let _counted = transport.metrics.connected(Lasting::WebSocket);
        let mut socket = Socket::new(transport, request_id, tcp, &read, address);
        // It keeps the whole buffer of the HTTP connection.
        drop(read);
        if !is_spoken {
            socket.close(&Close::SubprotocolNotAcceptable);
        }
        socket.run(&guest).await;
        drop(seat);
    });
    response
}

/// The connection itself, and what was read of it already.
fn below(upgraded: Upgraded) -> Option<(TcpStream, Bytes)> {
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
    Some((parts.io.into_inner(), parts.read_buf))
}

fn offers_subprotocol(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let mut offered = lines.flat_map(|line| line.to_str().unwrap_or_default().split(','));
    offered.any(|protocol| protocol.trim() == SUBPROTOCOL)
}

/// A socket that would be closed at once is not opened.
fn restarting() -> Response {
    let headers = [(RETRY_AFTER, SHUTDOWN_RETRY_AFTER)];
    (
        StatusCode::SERVICE_UNAVAILABLE,
        headers,
        "The server restarts.",
    )
        .into_response()
}

fn refuse(error: &Error) -> Response {
    match error {
        // RFC 6455, section 4.4: the answer says which version is spoken.
        Error::Protocol(ProtocolError::MissingSecWebSocketVersionHeader) => (
            StatusCode::UPGRADE_REQUIRED,
            [(SEC_WEBSOCKET_VERSION, "13")],
            "WebSocket of version 13 is spoken here.",
        )
            .into_response(),
        _ => (StatusCode::BAD_REQUEST, format!("No WebSocket: {error}.")).into_response(),
    }
}
