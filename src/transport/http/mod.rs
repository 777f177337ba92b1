//! GraphQL over HTTP: POST of JSON, and GET for queries and subscriptions.
//!
//! Statuses and media types as the GraphQL over HTTP specification has them (sections 4 to 6); an
//! answer is one document, or a stream where the client asks for one. What makes a browser send a
//! request without asking first (a form's media types) is refused, so no page of another site can
//! have a user's browser write here.

mod authenticate;
pub(super) mod headers;
mod multipart;
pub(super) mod negotiation;
pub(super) mod origin;
mod request;
pub(super) mod request_id;
pub(super) mod response;
mod sse;
mod stream;

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header::VARY, request::Parts},
    response::Response,
};
use futures_util::{Stream, StreamExt, stream::once};

use self::{
    authenticate::Unidentified,
    multipart::Multipart,
    negotiation::{Accepted, Answer, Streamed},
    request::Malformed,
    request_id::Asked,
    sse::EventStream,
    stream::{Lifetime, Token},
};
use super::{
    Transport,
    operation_log::{self, Record, Via},
};
use crate::{
    auth::TokenError,
    graphql::{OperationKind, Outcome, Params, RequestCode},
    model::Timestamp,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Post,
}

/// `POST /graphql`.
pub(super) async fn post(
    State(transport): State<Arc<Transport>>,
    Extension(asked): Extension<Asked>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let params = request::posted(&head.headers, body, &transport.http).await;
    answer(&transport, &asked, &head, Method::Post, params).await
}

/// `GET /graphql`.
pub(super) async fn get(transport: &Transport, asked: &Asked, head: Parts) -> Response {
    let params = request::got(head.uri.query().unwrap_or_default());
    let mut response = answer(transport, asked, &head, Method::Get, params).await;
    // For a cache: one URL has many answers.
    let vary = HeaderValue::from_static("accept, authorization, x-client-id");
    response.headers_mut().append(VARY, vary);
    response
}

async fn answer(
    transport: &Transport,
    asked: &Asked,
    head: &Parts,
    method: Method,
    params: Result<Params, Malformed>,
) -> Response {
    let accepted = Accepted::of(&head.headers);
    let json = accepted.json();
    let Some(preferred) = accepted.best() else {
        return response::invalid(
            json,
            StatusCode::NOT_ACCEPTABLE,
            "Answers are application/graphql-response+json, application/json, text/event-stream, \
             or multipart/mixed;subscriptionSpec=1.0.",
        );
    };
    let metrics = &transport.metrics;
    let via = Via::from(preferred);
    let refused = |code: &str| Record::refused(metrics, asked, via, code);
    let params = match params {
        Ok(params) => params,
        Err(Malformed { status, message }) => {
            refused(RequestCode::ValidationFailed.as_str());
            return response::invalid(json, status, message);
        }
    };
    let mut caller = match authenticate::caller(&head.headers, transport).await {
        Ok(caller) => caller,
        Err(unidentified) => {
            refused(unidentified.code());
            if let Unidentified::Token(error) = unidentified {
                metrics.unauthenticated(error == TokenError::Expired);
            }
            return response::unidentified(json, unidentified);
        }
    };
    caller.address = transport.entrance.client(head);
    let operation = match transport.requests.prepare(params) {
        Ok(operation) => operation,
        Err(errors) => {
            refused(operation_log::code_of_errors(&errors).unwrap_or_default());
            let refused = Outcome::Refused(errors);
            return match preferred {
                Answer::Whole(json) => response::whole(json, refused),
                Answer::Streamed(streamed) => {
                    let refused = once(async { refused });
                    respond(transport, streamed, Lifetime::OfItsOwn, refused)
                }
            };
        }
    };
    let record = |via| Record::begin(metrics, asked, via, &operation, &caller);
    match (operation.kind(), preferred) {
        (OperationKind::Mutation, _) if method == Method::Get => response::method_not_allowed(json),
        (OperationKind::Subscription, _) => match accepted.stream() {
            Some(streamed) => {
                let Some(guest) = transport.drain.register() else {
                    return match streamed {
                        // EventSource comes back after a stream that breaks off, and never after
                        // another status than 200.
                        Streamed::EventStream if method == Method::Get => {
                            stream::broken_off::<EventStream>()
                        }
                        _ => response::restarting(json),
                    };
                };
                let Ok(seat) = transport.entrance.seat(head) else {
                    return response::too_many_streams(json);
                };
                let principal = caller.principal.as_ref();
                let token = principal.map(|principal| Token {
                    lifetime: principal.expires_at.since(Timestamp::now()),
                    ban: transport.bans.watch(principal),
                });
                let record = record(streamed.into());
                let outcomes = record.span().in_scope(|| {
                    let opened = move |opened: Result<(), &[_]>| record.opened(opened);
                    transport.executor.stream(operation, caller, opened)
                });
                // The seat is given up with the stream.
                let outcomes = outcomes.inspect(move |_| {
                    let _seat = &seat;
                });
                respond(
                    transport,
                    streamed,
                    Lifetime::OfSubscription(guest, token),
                    outcomes,
                )
            }
            None => response::invalid(
                json,
                StatusCode::NOT_ACCEPTABLE,
                "A subscription is answered with a stream: accept text/event-stream or \
                 multipart/mixed;subscriptionSpec=1.0, or subscribe over WebSocket \
                 (graphql-transport-ws).",
            ),
        },
        (OperationKind::Query | OperationKind::Mutation, Answer::Streamed(streamed)) => {
            let execution = record(via).execute(&transport.executor, operation, caller);
            respond(transport, streamed, Lifetime::OfItsOwn, once(execution))
        }
        (OperationKind::Query | OperationKind::Mutation, Answer::Whole(json)) => {
            let execution = record(via).execute(&transport.executor, operation, caller);
            response::whole(json, execution.await)
        }
    }
}

fn respond(
    transport: &Transport,
    streamed: Streamed,
    lifetime: Lifetime,
    outcomes: impl Stream<Item = Outcome> + Send + 'static,
) -> Response {
    match streamed {
        Streamed::EventStream => stream::respond::<EventStream>(transport, lifetime, outcomes),
        Streamed::Multipart => stream::respond::<Multipart>(transport, lifetime, outcomes),
    }
}
