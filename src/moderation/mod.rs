//! Bans, and the screening of comments. Bans are stored first, then in effect on this node, then shared
//! with the others.

mod bans;
mod error;
mod screening;
mod service;
mod sharing;

pub use self::{
    bans::{BanWatch, Bans},
    error::Banned,
    screening::{ListError, Screening, SetupError, Submission},
    service::Moderation,
    sharing::share_bans,
};
