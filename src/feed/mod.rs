//! Subscriptions as ordered streams, from the store's log and the room's live changes: nothing
//! lost, nothing twice, in order.
//!
//! The subscribers of one operation in one room are a [`SubscriberGroup`]. Its `fanout` task
//! receives the room's events, has each rendered once, and offers the bytes to the [`Sink`] of
//! each `subscriber`. A subscriber knows its `progress`. If it is behind because its sink was
//! full or it starts at an earlier cursor, a `catch_up` task brings it up to date. Then it is
//! live again.

mod batch;
mod bookmark;
mod catch_up;
mod event;
mod fanout;
mod group_renderer;
mod join;
mod joint_sink;
mod metrics;
mod origin;
mod payload;
mod progress;
mod publish;
mod reconcile;
mod render;
mod render_error;
mod room_share;
mod shown_comments;
mod sink;
mod store_page;
mod subscriber;
mod subscriber_group;
mod topic;

pub use self::{
    bookmark::{Bookmark, position},
    event::Event,
    join::{Feed, Joined},
    joint_sink::JointSink,
    origin::Origin,
    payload::Payload,
    progress::Progress,
    publish::publish,
    reconcile::reconcile,
    render::Render,
    render_error::RenderError,
    room_share::{GroupPlace, RoomShare},
    sink::{Closed, Sink, Turn},
    store_page::StorePage,
    subscriber_group::{SubscriberGroup, Subscription},
    topic::{
        ActivityRequest, ChangeEvent, ChangeFilter, Changes, ChangesRequest, Place, PostActivity,
        PostChanged, PostRequest, QueueRequest, ReactedComment, ReactionsRequest, Received,
        Relation, Request, Requests, Step, Topic, TypingAt, TypingRequest, ViewerCount,
        ViewersRequest,
    },
};
