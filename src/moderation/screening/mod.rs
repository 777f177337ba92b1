//! Screening of comments before they are stored: blocked words, links, and the site's own check.

mod blocked_words;
mod check;
mod check_request;
mod error;
mod links;
mod metrics;
mod service;
mod submission;
mod verdict;
mod word_list;

pub use self::{
    error::{ListError, SetupError},
    service::Screening,
    submission::Submission,
};
