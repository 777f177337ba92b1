//! async-graphql with async-graphql-axum's `GraphQLSubscription` and `axum::serve`, as they are shipped.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_graphql::{Context, ID, InputObject, Object, Schema, SimpleObject, Subscription};
use async_graphql_axum::{GraphQL, GraphQLSubscription};
use axum::{Router, routing::post_service};
use futures_util::{Stream, StreamExt};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use uuid::Uuid;

#[derive(Clone, SimpleObject)]
struct Comment {
    id: ID,
    body: String,
    created_at: String,
    author: User,
}

#[derive(Clone, SimpleObject)]
struct User {
    name: String,
    avatar: Option<String>,
}

#[derive(InputObject)]
struct CreateCommentInput {
    post_id: ID,
    body: String,
}

#[derive(SimpleObject)]
struct CreateCommentPayload {
    comment: Comment,
}

/// A channel for each post.
#[derive(Clone, Default)]
struct Posts(Arc<Mutex<HashMap<ID, broadcast::Sender<Comment>>>>);

impl Posts {
    fn channel(&self, post_id: ID) -> broadcast::Sender<Comment> {
        let mut posts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        posts
            .entry(post_id)
            .or_insert_with(|| broadcast::channel(128).0)
            .clone()
    }
}

struct Query;

#[Object]
impl Query {
    async fn ready(&self) -> bool {
        true
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn create_comment(
        &self,
        ctx: &Context<'_>,
        input: CreateCommentInput,
    ) -> async_graphql::Result<CreateCommentPayload> {
        let comment = Comment {
            id: Uuid::new_v4().into(),
            body: input.body,
            created_at: OffsetDateTime::now_utc().format(&Rfc3339)?,
            author: User {
                name: "Ada Lovelace".into(),
                avatar: Some("https://avatars.example.org/1.png".into()),
            },
        };
        // An error means that there is no subscriber.
        let _ = ctx
            .data::<Posts>()?
            .channel(input.post_id)
            .send(comment.clone());
        Ok(CreateCommentPayload { comment })
    }
}

struct Subscriptions;

#[Subscription(name = "Subscription")]
impl Subscriptions {
    async fn comment_added(
        &self,
        ctx: &Context<'_>,
        post_id: ID,
    ) -> async_graphql::Result<impl Stream<Item = Comment>> {
        let comments = ctx.data::<Posts>()?.channel(post_id).subscribe();
        Ok(BroadcastStream::new(comments).filter_map(async |comment| comment.ok()))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schema = Schema::build(Query, Mutation, Subscriptions)
        .data(Posts::default())
        .finish();
    let app = Router::new()
        .route("/graphql", post_service(GraphQL::new(schema.clone())))
        .route_service("/ws", GraphQLSubscription::new(schema));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
