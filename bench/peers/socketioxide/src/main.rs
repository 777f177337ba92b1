//! Socket.IO in Rust: one room for each post. A comment comes by POST /comments and is emitted to the post's
//! room.

use std::convert::Infallible;

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use serde::{Deserialize, Serialize};
use socketioxide::{
    SocketIo,
    extract::{AckSender, Data, SocketRef},
    handler::ConnectHandler,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Comment {
    id: Uuid,
    body: String,
    created_at: String,
    author: Author,
}

#[derive(Clone, Serialize)]
struct Author {
    name: &'static str,
    avatar: &'static str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewComment {
    post_id: String,
    body: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (layer, io) = SocketIo::new_layer();
    io.ns("/", connected.with(listen));
    let app = Router::new()
        .route("/comments", post(create_comment))
        .with_state(io)
        .layer(layer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// Registers the handlers. It is a middleware because that runs before the client is told that it is
/// connected. The connect handler is a separate task, and may miss a client that joins at once.
async fn listen(socket: SocketRef) -> Result<(), Infallible> {
    socket.on(
        "join",
        async |socket: SocketRef, Data(post_id): Data<String>, ack: AckSender| {
            socket.join(post_id);
            ack.send(&()).ok();
        },
    );
    Ok(())
}

async fn connected(_socket: SocketRef) {}

async fn create_comment(
    State(io): State<SocketIo>,
    Json(new): Json<NewComment>,
) -> Result<Json<Comment>, StatusCode> {
    let comment = Comment {
        id: Uuid::new_v4(),
        body: new.body,
        created_at: OffsetDateTime::now_utc()
            .format(&Rfc3339)
            .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?,
        author: Author {
            name: "Ada Lovelace",
            avatar: "https://avatars.example.org/1.png",
        },
    };
    io.to(new.post_id)
        .emit("comment", &comment)
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Json(comment))
}
