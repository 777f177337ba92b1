//! The way of resolvers to everything outside the schema.

use std::sync::Arc;

use async_graphql::{Context, dataloader::DataLoader};

use super::{
    caller::Caller,
    execute::{Cacheability, ResponseBudget},
    schema::StoreLoader,
    settings::Settings,
    site_pages::SitePages,
};
use crate::{
    auth::{Authenticator, Principal},
    error::Error,
    feed::Feed,
    jobs::JobsHandle,
    limits::Limits,
    memory::MemoryBudget,
    model::{Epoch, Role, Timestamp},
    moderation::{Banned, Moderation, Screening},
    rooms::Hub,
    store::Store,
};

/// The services that resolvers work on.
#[derive(Clone, Debug)]
pub struct Services {
    /// The store.
    pub store: Store,
    /// The rooms of this node.
    pub hub: Hub,
    /// The feeds of posts: store and rooms together.
    pub feed: Feed,
    /// Wakes this node's work on jobs.
    pub jobs: JobsHandle,
    /// Signs the tokens of guests.
    pub authenticator: Arc<Authenticator>,
    /// Bans users.
    pub moderation: Arc<Moderation>,
    /// Decides which comments a moderator must see first.
    pub screening: Arc<Screening>,
    /// Limits the requests of users and addresses.
    pub limits: Arc<Limits>,
    /// The process's memory, which executions reserve theirs from.
    pub memory: MemoryBudget,
    /// The part of the configuration that resolvers go by.
    pub settings: Settings,
    /// The pages that open posts by themselves.
    pub site_pages: SitePages,
}

/// Access to services for a resolver. Each accessor also decides whether the response may be cached
/// for other callers: nothing but what is in the store may be.
pub(super) trait ContextExt<'a> {
    /// Returns the store. Responses that depend on nothing else are cached.
    fn store(&self) -> &'a Store;
    /// Returns the epoch of the feeds, which is constant while the server runs.
    fn epoch(&self) -> Epoch;
    /// Returns the loader that reads the store for many fields at once.
    fn loader(&self) -> &'a DataLoader<StoreLoader>;
    /// Returns the rooms. The response is not cached.
    fn hub(&self) -> &'a Hub;
    /// Returns the feeds of posts. The response is not cached.
    fn feed(&self) -> &'a Feed;
    /// Returns the handle of this node's work on jobs. The response is not cached.
    fn jobs(&self) -> &'a JobsHandle;
    /// Returns the caller. The response is not cached.
    ///
    /// # Errors
    ///
    /// Fails in an event of a subscription, because it is executed once for all subscribers.
    fn caller(&self) -> Result<&'a Caller, Error>;
    /// Returns the user, if their token is still valid and they are not banned. A mutation of several
    /// fields may outlive either.
    ///
    /// # Errors
    ///
    /// Returns `Unauthenticated` without a valid token, and `Forbidden` for a banned user.
    fn signed_in(&self) -> Result<&'a Principal, Error>;
    /// Returns the user, as [`signed_in`](Self::signed_in) does, if their role is at least `role`.
    ///
    /// # Errors
    ///
    /// Returns `Forbidden` for a lower role.
    fn signed_in_as(&self, role: Role) -> Result<&'a Principal, Error>;
    /// Returns the service that signs tokens. The response is not cached.
    fn authenticator(&self) -> &'a Authenticator;
    /// Returns the service that bans users. The response is not cached.
    fn moderation(&self) -> &'a Moderation;
    /// Returns the service that screens comments. The response is not cached.
    fn screening(&self) -> &'a Screening;
    /// Returns the limits. The response is not cached.
    fn limits(&self) -> &'a Limits;
    /// Returns the settings, which are constant while the server runs.
    fn settings(&self) -> &'a Settings;
    /// Returns the pages that open posts by themselves, which are constant while the server runs.
    fn site_pages(&self) -> &'a SitePages;
    /// Returns the budget of the execution.
    fn budget(&self) -> &'a Arc<ResponseBudget>;
    /// Takes a text from the budget of the execution.
    ///
    /// # Errors
    ///
    /// Returns `TooLarge` if the budget is exhausted.
    fn text<'t>(&self, text: &'t str) -> Result<&'t str, Error>;
}

impl<'a> ContextExt<'a> for Context<'a> {
    fn store(&self) -> &'a Store {
        &services(self).store
    }

    fn epoch(&self) -> Epoch {
        services(self).store.epoch()
    }

    fn loader(&self) -> &'a DataLoader<StoreLoader> {
        self.data_opt().expect("the executor adds the loader")
    }

    fn hub(&self) -> &'a Hub {
        Cacheability::forbid(self);
        &services(self).hub
    }

    fn jobs(&self) -> &'a JobsHandle {
        Cacheability::forbid(self);
        &services(self).jobs
    }

    fn feed(&self) -> &'a Feed {
        Cacheability::forbid(self);
        &services(self).feed
    }

    fn caller(&self) -> Result<&'a Caller, Error> {
        Cacheability::forbid(self);
        self.data_opt::<Caller>().ok_or_else(|| {
            Error::Internal("a field of a shared event depends on the caller".into())
        })
    }

    fn signed_in(&self) -> Result<&'a Principal, Error> {
        let principal = self.caller()?.principal.as_ref();
        let principal = principal.filter(|principal| principal.expires_at > Timestamp::now());
        let principal = principal.ok_or(Error::Unauthenticated)?;
        let admitted = self.moderation().admit(principal);
        admitted.map_err(|Banned| Error::Forbidden("You are banned here."))?;
        Ok(principal)
    }

    fn signed_in_as(&self, role: Role) -> Result<&'a Principal, Error> {
        let principal = self.signed_in()?;
        principal.require(role)?;
        Ok(principal)
    }

    fn authenticator(&self) -> &'a Authenticator {
        Cacheability::forbid(self);
        &services(self).authenticator
    }

    fn moderation(&self) -> &'a Moderation {
        Cacheability::forbid(self);
        &services(self).moderation
    }

    fn screening(&self) -> &'a Screening {
        Cacheability::forbid(self);
        &services(self).screening
    }

    fn limits(&self) -> &'a Limits {
        Cacheability::forbid(self);
        &services(self).limits
    }

    fn settings(&self) -> &'a Settings {
        &services(self).settings
    }

    fn site_pages(&self) -> &'a SitePages {
        &services(self).site_pages
    }

    fn budget(&self) -> &'a Arc<ResponseBudget> {
        self.data_opt().expect("the executor adds the budget")
    }

    fn text<'t>(&self, text: &'t str) -> Result<&'t str, Error> {
        self.budget().take_text(text.len()).map(|()| text)
    }
}

fn services<'a>(context: &Context<'a>) -> &'a Services {
    context.data_opt().expect("the executor adds the services")
}
