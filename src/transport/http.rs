//! GraphQL over HTTP: POST of JSON, and GET for queries and subscriptions.
//!
//! Statuses and media types as the GraphQL over HTTP specification has them (sections 4 to 6); an
//! answer is one document, or a stream where the client asks for one. What makes a browser send a
//! request without asking first (a form's media types) is refused, so no page of another site can
//! have a user's browser write here.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures_util::{Stream, stream::once};

use super::{
    Transport, identify,
    media_type::{Accepted, Answer, Json, Streamed},
    multipart::Multipart,
    request::{self, Malformed},
    response,
    sse::EventStream,
    stream,
};
use crate::{
    graphql::{Caller, Operation, OperationKind, Outcome, Params},
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
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let params = request::posted(&headers, body, transport.http.http_body_limit);
    answer(&transport, &headers, Method::Post, params).await
}

/// `GET /graphql`.
pub(super) async fn get(transport: &Transport, headers: &HeaderMap, uri: &Uri) -> Response {
    let params = request::got(uri.query().unwrap_or_default());
    answer(transport, headers, Method::Get, params).await
}

async fn answer(
    transport: &Transport,
    headers: &HeaderMap,
    method: Method,
    params: Result<Params, Malformed>,
) -> Response {
    let accepted = Accepted::of(headers);
    let json = accepted.json();
    let Some(preferred) = accepted.best() else {
        return response::invalid(
            json,
            StatusCode::NOT_ACCEPTABLE,
            "Answers are application/graphql-response+json, application/json, text/event-stream, \
             or multipart/mixed;subscriptionSpec=1.0.",
        );
    };
    let params = match params {
        Ok(params) => params,
        Err(Malformed { status, message }) => return response::invalid(json, status, message),
    };
    let caller = match identify::caller(headers, &transport.authenticator) {
        Ok(caller) => caller,
        Err(unidentified) => return response::unidentified(json, unidentified),
    };
    let operation = match transport.persisted.operation(params) {
        Ok(operation) => operation,
        Err(error) => {
            let refused = Outcome::Refused(vec![error]);
            return match preferred {
                Answer::Whole(json) => whole(json, refused),
                Answer::Streamed(streamed) => {
                    respond(transport, streamed, &caller, once(async { refused }))
                }
            };
        }
    };
    let answer = match operation.kind() {
        OperationKind::Mutation if method == Method::Get => {
            return response::method_not_allowed(json);
        }
        OperationKind::Subscription => match accepted.stream() {
            Some(streamed) => Answer::Streamed(streamed),
            None => {
                return response::invalid(
                    json,
                    StatusCode::NOT_ACCEPTABLE,
                    "A subscription is answered with a stream: accept text/event-stream or \
                     multipart/mixed;subscriptionSpec=1.0, or subscribe over WebSocket \
                     (graphql-transport-ws).",
                );
            }
        },
        OperationKind::Query | OperationKind::Mutation => preferred,
    };
    match answer {
        Answer::Whole(json) => whole(json, transport.executor.execute(operation, caller).await),
        Answer::Streamed(streamed) => subscribe(transport, streamed, operation, caller),
    }
}

/// The answer that is one document.
fn whole(json: Json, outcome: Outcome) -> Response {
    match outcome {
        Outcome::Executed(response) => response::executed(json, response),
        Outcome::Event(payload) => {
            ([(CONTENT_TYPE, json.header())], payload.to_string()).into_response()
        }
        Outcome::Refused(errors) => response::refused(json, &errors),
    }
}

fn subscribe(
    transport: &Transport,
    streamed: Streamed,
    operation: Operation,
    caller: Caller,
) -> Response {
    let outcomes = transport.executor.stream(operation, caller.clone());
    respond(transport, streamed, &caller, outcomes)
}

fn respond(
    transport: &Transport,
    streamed: Streamed,
    caller: &Caller,
    outcomes: impl Stream<Item = Outcome> + Send + 'static,
) -> Response {
    let identity = caller.identity.as_ref();
    let lifetime = identity.map(|identity| identity.expires_at.since(Timestamp::now()));
    match streamed {
        Streamed::EventStream => stream::respond::<EventStream>(transport, lifetime, outcomes),
        Streamed::Multipart => stream::respond::<Multipart>(transport, lifetime, outcomes),
    }
}
