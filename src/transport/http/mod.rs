//! GraphQL over HTTP: POST with JSON, and GET for queries and subscriptions.
//!
//! Statuses and media types follow the GraphQL over HTTP specification (sections 4 to 6). A
//! response is one document, or a stream if the client asks for one. Media types that a form can
//! send without a preflight are rejected, so no page of another site can make a browser write.

mod authenticate;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
pub(super) mod headers;
mod multipart;
pub(super) mod negotiation;
pub(super) mod origin;
mod request;
pub(super) mod request_id;
pub(super) mod response;
pub(super) mod source;
mod sse;
mod stream;

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Request, State},
    http::{
        HeaderValue, StatusCode,
        header::{AUTHORIZATION, CACHE_CONTROL, VARY},
        request::Parts,
    },
    response::Response,
};
use futures_util::{Stream, stream::once};

use self::{
    authenticate::AuthRejection,
    multipart::Multipart,
    negotiation::{Accept, JsonType, ResponseType, StreamType},
    request::{Received, Rejection},
    request_id::RequestId,
    sse::EventStream,
    stream::{Lifetime, TokenWatch},
};
use super::{
    Transport,
    operation_log::{OperationLog, TransportLabel, code_of_errors},
};
use crate::{
    graphql::{Caller, ErrorCode, Operation, OperationKind, Outcome, server_error},
    model::Timestamp,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Post,
}

/// Handles `POST /graphql`.
pub(super) async fn post(
    State(transport): State<Arc<Transport>>,
    Extension(request_id): Extension<RequestId>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let account = transport
        .memory
        .of_requests(transport.admission.client(&head));
    let received = request::from_post(&head.headers, body, &transport.http, &account).await;
    respond(&transport, &request_id, &head, Method::Post, received).await
}

/// Handles `GET /graphql`.
pub(super) async fn get(transport: &Transport, request_id: &RequestId, head: Parts) -> Response {
    let received = request::from_query(head.uri.query().unwrap_or_default());
    let mut response = respond(transport, request_id, &head, Method::Get, received).await;
    // Caches must key the response by these headers too.
    let vary = HeaderValue::from_static("accept, authorization, x-client-id");
    response.headers_mut().append(VARY, vary);
    let has_token = head.headers.contains_key(AUTHORIZATION);
    let caching = if has_token { "no-store" } else { "no-cache" };
    let caching = HeaderValue::from_static(caching);
    let response_caching = response.headers_mut().entry(CACHE_CONTROL);
    response_caching.or_insert(caching);
    response
}

/// Negotiates, authenticates and prepares a request, then executes its operation.
async fn respond(
    transport: &Transport,
    request_id: &RequestId,
    head: &Parts,
    method: Method,
    received: Result<Received, Rejection>,
) -> Response {
    let accept = Accept::from_headers(&head.headers);
    let json = accept.preferred_json();
    let Some(preferred) = accept.preferred() else {
        return response::invalid(
            json,
            StatusCode::NOT_ACCEPTABLE,
            "Answers are application/graphql-response+json, application/json, text/event-stream, \
             or multipart/mixed;subscriptionSpec=1.0.",
        );
    };
    let metrics = &transport.metrics;
    let label = TransportLabel::from(preferred);
    let log_rejected = |code: &str| OperationLog::rejected(metrics, request_id, label, code);
    let Received { mut params, memory } = match received {
        Ok(received) => received,
        Err(Rejection::Invalid { status, message }) => {
            log_rejected(ErrorCode::ValidationFailed.as_str());
            return response::invalid(json, status, message);
        }
        Err(Rejection::Batch) => {
            log_rejected(ErrorCode::BatchNotSupported.as_str());
            return response::batch(json);
        }
        Err(Rejection::NoMemory(error)) => {
            let errors = vec![server_error(error)];
            log_rejected(code_of_errors(&errors));
            return response::document(json, Outcome::Refused(errors));
        }
    };
    let mut caller = match authenticate::caller(head, transport).await {
        Ok(caller) => caller,
        Err(rejection) => {
            log_rejected(rejection.code());
            if let AuthRejection::Token(error) = rejection {
                metrics.unauthenticated(error);
            }
            return response::auth_rejected(json, rejection);
        }
    };
    let prepared = match caller.name_client(params.client.take()) {
        Ok(()) => transport.requests.prepare(params),
        Err(error) => Err(vec![server_error(error)]),
    };
    let operation = match prepared {
        Ok(operation) => operation,
        Err(errors) => {
            log_rejected(code_of_errors(&errors));
            let refused = Outcome::Refused(errors);
            return match preferred {
                ResponseType::Json(json) => response::document(json, refused),
                ResponseType::Stream(stream_type) => {
                    let refused = once(async { refused });
                    stream_response(transport, stream_type, Lifetime::Operation, refused)
                }
            };
        }
    };
    drop(memory);
    match (operation.kind(), preferred) {
        (OperationKind::Mutation, _) if method == Method::Get => response::method_not_allowed(json),
        (OperationKind::Subscription, _) => match accept.preferred_stream() {
            Some(stream_type) => {
                let request = StreamRequest {
                    transport,
                    request_id,
                    head,
                    method,
                    json,
                };
                request.subscribe(stream_type, operation, caller)
            }
            None => response::invalid(
                json,
                StatusCode::NOT_ACCEPTABLE,
                "A subscription is answered with a stream: accept text/event-stream or \
                 multipart/mixed;subscriptionSpec=1.0, or subscribe over WebSocket \
                 (graphql-transport-ws).",
            ),
        },
        (OperationKind::Query | OperationKind::Mutation, preferred) => {
            let log = OperationLog::begin(metrics, request_id, label, &operation, &caller);
            let execution = log.execute(&transport.executor, operation, caller);
            match preferred {
                ResponseType::Json(json) => response::document(json, execution.await),
                ResponseType::Stream(stream_type) => {
                    stream_response(transport, stream_type, Lifetime::Operation, once(execution))
                }
            }
        }
    }
}

/// A request whose operation is a subscription.
struct StreamRequest<'a> {
    transport: &'a Transport,
    request_id: &'a RequestId,
    head: &'a Parts,
    method: Method,
    json: JsonType,
}

impl StreamRequest<'_> {
    /// Opens the subscription and returns its stream. During a shutdown it returns a response that
    /// makes the client retry, and beyond the address's limit an error.
    fn subscribe(self, stream_type: StreamType, operation: Operation, caller: Caller) -> Response {
        let transport = self.transport;
        let Some(handle) = transport.shutdown.register() else {
            return match stream_type {
                // EventSource reconnects after an aborted stream, but never after a status other
                // than 200.
                StreamType::EventStream if self.method == Method::Get => {
                    stream::aborted::<EventStream>()
                }
                _ => response::restarting(),
            };
        };
        let Ok(permit) = transport.admission.admit_stream(self.head) else {
            return response::too_many_streams(self.json);
        };
        let last_event_id = match stream_type {
            StreamType::EventStream => sse::last_event_id(&self.head.headers),
            StreamType::Multipart => None,
        };
        let operation = operation.resumed_after(last_event_id);
        let principal = caller.principal.as_ref();
        let token = principal.map(|principal| TokenWatch {
            expires_in: principal.expires_at.since(Timestamp::now()),
            ban: transport.bans.watch(principal),
        });
        let log = OperationLog::begin(
            &transport.metrics,
            self.request_id,
            stream_type.into(),
            &operation,
            &caller,
        );
        let sent_away = caller.sent_away.clone();
        let outcomes = log.span().in_scope(|| {
            let opened = move |opened: Result<(), &[_]>| log.opened(opened);
            transport.executor.stream(operation, caller, opened)
        });
        let lifetime = Lifetime::Subscription {
            handle,
            token,
            permit,
            sent_away,
        };
        stream_response(transport, stream_type, lifetime, outcomes)
    }
}

fn stream_response(
    transport: &Transport,
    stream_type: StreamType,
    lifetime: Lifetime,
    outcomes: impl Stream<Item = Outcome> + Send + 'static,
) -> Response {
    match stream_type {
        StreamType::EventStream => stream::respond::<EventStream>(transport, lifetime, outcomes),
        StreamType::Multipart => stream::respond::<Multipart>(transport, lifetime, outcomes),
    }
}
