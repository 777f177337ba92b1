//! Screening of comments before they are stored: blocked words and links.

mod blocked_words;
mod error;
mod links;
mod service;
mod submission;
mod word_list;

pub use self::{
    error::{ListError, SetupError},
    service::Screening,
    submission::Submission,
};
