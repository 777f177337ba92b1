//! The way of a request: every transport's, one step a file.
//!
//! | step | file |
//! |---|---|
//! | the request's parameters | [`request`], [`persisted`] |
//! | size limit: before anything is parsed | [`size`], [`lexer`] |
//! | parse | [`parse`] |
//! | size limit: with fragments inlined | [`expansion`] |
//! | validate | [`validate`], [`rules`] |
//! | choose the operation | [`document`] |
//! | coerce all variables | [`variables`], [`literal`] |
//! | normal form | [`normalize`], [`normal_form`] |
//! | complexity | [`complexity`], [`weight`], [`costliest`] |
//! | execute | [`executor`], [`introspection`], [`outcome`], [`payload`] |
//!
//! [`prepare`] takes a request through the steps before the last. [`document_cache`] keeps
//! documents and normal forms, and [`response_cache`] responses, by their [`fingerprint`].
//! Subscriptions go on in [`subscription_request`], [`render`] and [`stream`].

mod arguments;
mod cache;
mod complexity;
mod costliest;
mod document;
mod document_cache;
mod executor;
mod expansion;
mod fingerprint;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod introspection;
mod lexer;
mod literal;
mod metrics;
mod normal_form;
mod normalize;
mod operation;
mod outcome;
mod panics;
mod parse;
mod payload;
mod persisted;
mod positions;
mod prepare;
mod render;
mod request;
mod response_budget;
mod response_cache;
mod rules;
mod size;
mod stream;
mod subscription_request;
#[cfg(test)]
mod testing;
mod tokens;
mod turns;
mod validate;
mod variables;
mod weight;

pub(super) use self::{
    arguments::Arguments, render::Rendered, response_budget::ResponseBudget,
    response_cache::Cacheability, subscription_request::SubscriptionRequest,
};
pub use self::{
    executor::Executor,
    operation::{Operation, OperationKind},
    outcome::{Executed, Outcome},
    persisted::QueryHash,
    prepare::Requests,
    render::Counts,
    request::{DocumentSource, Params},
    turns::Turns,
};
