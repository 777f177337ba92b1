//! The settings of the server's parts, from the configuration.

use std::num::{NonZeroU32, NonZeroUsize};

use crate::{
    config::{self, Config, HttpConfig, Switch},
    graphql::{Requests, Settings},
    memory::{self, MemoryBudget},
    model::{ModerationMode, ReactionContent, ReactionSet},
    telemetry::Registry,
};

/// Returns the part of the configuration that resolvers go by.
pub(super) fn of_resolvers(config: &Config) -> Settings {
    Settings {
        allow_guests: config.auth.allow_guests,
        guest_token_lifetime: config.auth.guest_token_lifetime,
        edit_window: config.writing.edit_window,
        moderation: moderation_mode(config.moderation.moderation),
        reports_to_hold: NonZeroU32::new(config.moderation.reports_to_hold),
        reactions: reactions(&config.writing.reactions),
        reply_depth: config.writing.reply_depth,
        operation_timeout: config.clients.operation_timeout,
    }
}

/// Returns the settings of HTTP. Pages that may open posts may also call the server.
pub(super) fn http(config: &Config) -> HttpConfig {
    let mut http = config.http.clone();
    http.allowed_origins
        .extend(config.posts.auto_open_posts.iter().cloned());
    http
}

pub(super) fn memory(config: &Config) -> MemoryBudget {
    let limit = config
        .clients
        .memory_limit
        .unwrap_or_else(memory::default_limit);
    match config.writing.rate_limits {
        Switch::On => MemoryBudget::new(limit),
        Switch::Off => MemoryBudget::without_addresses(limit),
    }
}

pub(super) fn requests(config: &Config, registry: &Registry) -> Requests {
    let max = usize::try_from(config.http.persisted_queries).unwrap_or(usize::MAX);
    let max = NonZeroUsize::new(max).unwrap_or(NonZeroUsize::MIN);
    let max_bytes = config.http.persisted_query_bytes;
    Requests::new(max, max_bytes, config.writing.reply_depth, registry)
}

fn moderation_mode(mode: config::ModerationMode) -> ModerationMode {
    match mode {
        config::ModerationMode::None => ModerationMode::None,
        config::ModerationMode::NewAuthors => ModerationMode::NewAuthors,
        config::ModerationMode::All => ModerationMode::All,
    }
}

fn reactions(config::ReactionContents(contents): &config::ReactionContents) -> ReactionSet {
    let contents = contents.iter().map(|content| match content {
        config::ReactionContent::ThumbsUp => ReactionContent::ThumbsUp,
        config::ReactionContent::ThumbsDown => ReactionContent::ThumbsDown,
        config::ReactionContent::Laugh => ReactionContent::Laugh,
        config::ReactionContent::Hooray => ReactionContent::Hooray,
        config::ReactionContent::Confused => ReactionContent::Confused,
        config::ReactionContent::Heart => ReactionContent::Heart,
        config::ReactionContent::Rocket => ReactionContent::Rocket,
        config::ReactionContent::Eyes => ReactionContent::Eyes,
    });
    contents.collect()
}
