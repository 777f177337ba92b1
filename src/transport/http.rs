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
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header::VARY},
    response::Response,
};
use futures_util::{Stream, stream::once};

use super::{
    Transport, identify,
    media_type::{Accepted, Answer, Streamed},
    multipart::Multipart,
    request::{self, Malformed},
    response,
    sse::EventStream,
    stream::{self, Lifetime, Token},
};
use crate::{
    graphql::{OperationKind, Outcome, Params},
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
    let mut response = answer(transport, headers, Method::Get, params).await;
    // For a cache: one URL has many answers.
    let vary = HeaderValue::from_static("accept, authorization, x-client-id");
    response.headers_mut().append(VARY, vary);
    response
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
    let caller = match identify::caller(headers, transport).await {
        Ok(caller) => caller,
        Err(unidentified) => return response::unidentified(json, unidentified),
    };
    let operation = match transport.persisted.operation(params) {
        Ok(operation) => operation,
        Err(error) => {
            let refused = Outcome::Refused(vec![error]);
            return match preferred {
                Answer::Whole(json) => response::whole(json, refused),
                Answer::Streamed(streamed) => {
                    let refused = once(async { refused });
                    respond(transport, streamed, Lifetime::OfItsOwn, refused)
                }
            };
        }
    };
    match (operation.kind(), preferred) {
        (OperationKind::Mutation, _) if method == Method::Get => response::method_not_allowed(json),
        (OperationKind::Subscription, _) => match accepted.stream() {
            Some(streamed) => {
                let identity = caller.identity.as_ref();
                let token = identity.map(|identity| Token {
                    lifetime: identity.expires_at.since(Timestamp::now()),
                    ban: transport.bans.watch(identity),
                });
                let outcomes = transport.executor.stream(operation, caller);
                respond(
                    transport,
                    streamed,
                    Lifetime::OfSubscription(token),
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
            let outcomes = transport.executor.stream(operation, caller);
            respond(transport, streamed, Lifetime::OfItsOwn, outcomes)
        }
        (OperationKind::Query | OperationKind::Mutation, Answer::Whole(json)) => {
            let outcome = transport.executor.execute(operation, caller).await;
            response::whole(json, outcome)
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
