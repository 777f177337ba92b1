//! The GraphQL API: its schema, and the way of a request through it.

mod caller;
mod context;
mod error;
mod error_code;
mod execute;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod request_source;
mod schema;
mod schema_document;
mod settings;
mod site_pages;

use self::schema_document::{schema, schema_document};
pub use self::{
    caller::Caller,
    context::Services,
    error::{code_of, request_error, server_error},
    error_code::ErrorCode,
    execute::{
        Counts, DocumentSource, Executed, Executor, Operation, OperationKind, Outcome, Params,
        QueryHash, Requests, Turns,
    },
    request_source::RequestSource,
    schema_document::sdl,
    settings::Settings,
    site_pages::SitePages,
};
pub use crate::{
    feed::{Closed, Payload, Sink, Subscription, Turn},
    rooms::SentAway,
};
