//! The opening handshake (RFC 6455, section 4.2), and the takeover of the TCP connection from HTTP.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE},
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

use super::{close::Close, session::Session};
use crate::transport::{
    Transport,
    connections::LingeringStream,
    http::{request_id::RequestId, response, source::source},
    operation_log::TransportLabel,
};

const SUBPROTOCOL: &str = "graphql-transport-ws";

/// Returns true if the request is a WebSocket handshake. An `Upgrade` to another protocol may be
/// ignored (RFC 9110, section 7.8).
pub(in crate::transport) fn is_upgrade(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(UPGRADE).and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}

/// Responds to a handshake and spawns the session. The session starts once the response was sent,
/// but a shutdown waits for it from now on.
pub(in crate::transport) fn accept(
    transport: Arc<Transport>,
    request_id: RequestId,
    mut request: Request,
) -> Response {
    let mut response = match create_response_with_body(&request, Body::empty) {
        Ok(response) => response,
        Err(error) => return handshake_failed(&error),
    };
    let Some(handle) = transport.shutdown.register() else {
        return response::restarting();
    };
    let upgrade = hyper::upgrade::on(&mut request);
    let (request, _) = request.into_parts();
    let Ok(permit) = transport.admission.admit_stream(&request) else {
        return response::too_many_sockets();
    };
    let address = transport.admission.client(&request);
    let source = source(&request.headers);
    let has_subprotocol = offers_subprotocol(&request.headers);
    if has_subprotocol {
        let chosen = HeaderValue::from_static(SUBPROTOCOL);
        response
            .headers_mut()
            .insert(SEC_WEBSOCKET_PROTOCOL, chosen);
    }
    let tasks = transport.tasks.clone();
    tasks.spawn(async move {
        let upgraded = match upgrade.await {
            Ok(upgraded) => upgraded,
            // The client disconnected before the response.
            Err(error) => return tracing::debug!(%error, "WebSocket upgrade failed"),
        };
        let Some((tcp, read)) = into_tcp(upgraded) else {
            return tracing::error!("WebSocket upgrade of a connection that is not TCP");
        };
        let _gauge_guard = transport.metrics.connected(TransportLabel::WebSocket);
        let mut session = Session::new(transport, request_id, tcp, &read, address, source);
        // Frees the read buffer of the HTTP connection.
        drop(read);
        if !has_subprotocol {
            session.close(&Close::SubprotocolNotAcceptable);
        }
        session.run(&handle).await;
        drop(permit);
    });
    response
}

/// Returns the TCP connection, and the bytes that were read from it after the handshake.
fn into_tcp(upgraded: Upgraded) -> Option<(TcpStream, Bytes)> {
    let parts = upgraded.downcast::<TokioIo<LingeringStream>>().ok()?;
    Some((parts.io.into_inner().into_inner(), parts.read_buf))
}

fn offers_subprotocol(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let mut offered = lines.flat_map(|line| line.to_str().unwrap_or_default().split(','));
    offered.any(|protocol| protocol.trim() == SUBPROTOCOL)
}

fn handshake_failed(error: &Error) -> Response {
    match error {
        // RFC 6455, section 4.4: the response names the supported version.
        Error::Protocol(ProtocolError::MissingSecWebSocketVersionHeader) => (
            StatusCode::UPGRADE_REQUIRED,
            [(UPGRADE, "websocket"), (SEC_WEBSOCKET_VERSION, "13")],
            "WebSocket of version 13 is spoken here.",
        )
            .into_response(),
        _ => (StatusCode::BAD_REQUEST, format!("No WebSocket: {error}.")).into_response(),
    }
}
