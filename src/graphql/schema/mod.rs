//! The schema: one file a type, or a family of mutations.

mod ban;
mod comment;
pub(super) mod cursor;
mod datetime;
pub(super) mod input;
mod mutation;
mod non_null;
pub(super) mod page;
mod post;
mod query;
mod replies;
mod subscription;
mod user;

pub(super) use self::{
    mutation::Mutation,
    query::Query,
    replies::Replies,
    subscription::{SubscriptionRoot, request as subscription_request},
};
