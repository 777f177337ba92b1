//! Bans: stored first, then in effect on this node, then shared with the others.

mod bans;
mod error;
mod service;
mod sharing;

pub use self::{
    bans::{BanWatch, Bans},
    error::Banned,
    service::Moderation,
    sharing::share_bans,
};
