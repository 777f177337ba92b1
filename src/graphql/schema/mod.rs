//! The schema: one file a type, or a family of mutations.

mod ban;
mod comment;
pub(super) mod cursor;
mod datetime;
pub(super) mod input;
mod loader;
mod moderation;
mod mutation;
mod non_null;
pub(super) mod page;
mod post;
mod query;
mod reaction;
mod relatives;
mod replies;
mod room_event;
mod settings;
mod subscription;
mod timed_place;
mod top_cursor;
mod typing;
mod user;
mod viewer;
mod viewer_list;

pub(super) use self::{
    cursor::encode as encode_cursor,
    loader::StoreLoader,
    mutation::Mutation,
    query::Query,
    subscription::{SubscriptionRoot, request as subscription_request},
};
