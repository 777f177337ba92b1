//! Rate limits of users and addresses, for actions that reach a whole room or create a user.

mod checks;
mod limiter;
mod lru_store;
mod metrics;
mod operations;
mod reads;
#[cfg(test)]
mod tests;
mod under_way;

use std::{hash::Hash, num::NonZeroU32, sync::Arc, time::Duration};

use ::metrics::Counter;
use governor::Quota;
use tokio::sync::Semaphore;

use self::{
    checks::CheckLimits,
    limiter::Limiter,
    metrics::LimitMetrics,
    reads::ReadTurns,
    under_way::{Counted, UnderWay},
};
pub use self::{
    checks::CheckPermit,
    operations::{Excess, OperationLimits, SocketRate},
};
use crate::{
    config::{Switch, WritingConfig},
    error::Error,
    model::{ClientAddress, Role, UserId},
    telemetry::Registry,
};

/// Interval at which the state of inactive users and addresses is dropped.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(60);

/// Reports that a user may send a minute.
const REPORTS_OF_USER: u32 = 10;
/// Pages that one address may open a minute.
const PAGES_FROM_ADDRESS: u32 = 20;
/// Reactions that a user may add or remove a minute. Those of moderators count too, because no work of theirs
/// needs many.
const REACTIONS_OF_USER: u32 = 60;
/// Maximum number of mutations of one user that are under way at once.
const MUTATIONS_OF_USER: u32 = 64;
/// Maximum number of mutations from one address that are under way at once.
const MUTATIONS_FROM_ADDRESS: u32 = 256;
/// Retry hint for a mutation beyond these numbers.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The rate limits of one server.
#[derive(Debug)]
pub struct Limits {
    /// `None` if limits are off.
    limiters: Option<Limiters>,
    metrics: LimitMetrics,
}

#[derive(Debug)]
struct Limiters {
    typing: Limiter<UserId>,
    comments: Limiter<UserId>,
    comments_by_address: Limiter<ClientAddress>,
    mutations: Limiter<UserId>,
    mutations_of_moderators: Limiter<UserId>,
    reports: Limiter<UserId>,
    reactions: Limiter<UserId>,
    checks: CheckLimits,
    mutations_of_user: UnderWay<UserId>,
    mutations_from_address: UnderWay<ClientAddress>,
    guests_by_address: Limiter<ClientAddress>,
    pages_by_address: Limiter<ClientAddress>,
    reads: ReadTurns,
}

/// A mutation that is counted for its user and its address until this is dropped.
#[derive(Debug)]
pub struct MutationPermit {
    _user: Option<Counted<UserId>>,
    _address: Option<Counted<ClientAddress>>,
}

impl Limits {
    /// Creates the limits from the settings, each with its full budget.
    pub fn new(config: &WritingConfig, registry: &Registry) -> Self {
        let limiters = || Limiters {
            // A burst may use the budget of two and a half seconds.
            typing: Limiter::new(
                Quota::per_second(non_zero(config.typing_per_user)),
                config.typing_per_user.saturating_mul(5) / 2,
            ),
            comments: Limiter::per_minute(config.comments_per_user),
            comments_by_address: Limiter::per_minute(config.comments_per_address),
            mutations: Limiter::per_minute(config.mutations_per_user),
            mutations_of_moderators: Limiter::per_minute(config.mutations_per_moderator),
            reports: Limiter::per_minute(REPORTS_OF_USER),
            reactions: Limiter::per_minute(REACTIONS_OF_USER),
            checks: CheckLimits::new(config),
            mutations_of_user: UnderWay::new(MUTATIONS_OF_USER),
            mutations_from_address: UnderWay::new(MUTATIONS_FROM_ADDRESS),
            guests_by_address: Limiter::per_minute(config.guests_per_address),
            pages_by_address: Limiter::per_minute(PAGES_FROM_ADDRESS),
            reads: ReadTurns::default(),
        };
        Self {
            limiters: (config.rate_limits == Switch::On).then(limiters),
            metrics: LimitMetrics::new(registry),
        }
    }

    /// Counts a typing signal. Returns `RateLimited` if the user's budget is used up.
    pub fn typing(&self, user: &UserId) -> Result<(), Error> {
        match &self.limiters {
            Some(limiters) => limiters.typing.count(user, &self.metrics.typing),
            None => Ok(()),
        }
    }

    /// Runs `write`, which writes a new or edited comment, and counts it for the user and the address
    /// unless it fails. Without an address, only the user's budget counts. A moderator's counts as
    /// [`mutation`](Self::mutation) does.
    ///
    /// # Errors
    ///
    /// Returns `RateLimited`, without running `write`, if the budget of the user or of the address is
    /// used up.
    pub async fn comment<T>(
        &self,
        user: &UserId,
        role: Role,
        from: Option<ClientAddress>,
        write: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        if role == Role::Moderator {
            return self.mutation(user, role, write).await;
        }
        let Some(limiters) = &self.limiters else {
            return write.await;
        };
        let counted_for_address = async {
            match from {
                Some(from) => {
                    let refused = &self.metrics.comments_from_address;
                    let limiter = &limiters.comments_by_address;
                    limiter.count_success(&from, refused, write).await
                }
                None => write.await,
            }
        };
        let (limiter, refused) = (&limiters.comments, &self.metrics.comments);
        let counted = limiter.count_success(user, refused, counted_for_address);
        counted.await
    }

    /// Runs `write`, a mutation that no other limit counts, and counts it for the user unless it fails.
    ///
    /// # Errors
    ///
    /// Returns `RateLimited`, without running `write`, if the user's budget is used up.
    pub async fn mutation<T>(
        &self,
        user: &UserId,
        role: Role,
        write: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let Some(limiters) = &self.limiters else {
            return write.await;
        };
        let limiter = match role {
            Role::Reader => &limiters.mutations,
            Role::Author | Role::Moderator => &limiters.mutations_of_moderators,
        };
        let refused = &self.metrics.mutations;
        limiter.count_success(user, refused, write).await
    }

    /// Runs `write`, which reports a comment, and counts it for the user unless it fails.
    ///
    /// # Errors
    ///
    /// Returns `RateLimited`, without running `write`, if the user's budget is used up.
    pub async fn report<T>(
        &self,
        user: &UserId,
        write: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let limit = self
            .limiters
            .as_ref()
            .map(|limiters| (&limiters.reports, user));
        counted(limit, &self.metrics.reports, write).await
    }

    /// Runs `write`, which adds or removes a reaction, and counts it for the user unless it fails.
    ///
    /// # Errors
    ///
    /// Returns `RateLimited`, without running `write`, if the user's budget is used up.
    pub async fn reaction<T>(
        &self,
        user: &UserId,
        write: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let limit = self
            .limiters
            .as_ref()
            .map(|limiters| (&limiters.reactions, user));
        counted(limit, &self.metrics.reactions, write).await
    }

    /// Counts a question to the site's check, also if its comment is refused then, and until the permit is
    /// dropped. Returns `RateLimited` if the user or the address asks too often, or too much at once. Returns
    /// `None` if limits are off.
    pub fn begin_check(
        &self,
        user: &UserId,
        from: Option<ClientAddress>,
    ) -> Result<Option<CheckPermit>, Error> {
        let begin = |limiters: &Limiters| limiters.checks.begin(user, from, &self.metrics.checks);
        self.limiters.as_ref().map(begin).transpose()
    }

    /// Counts a mutation until its permit is dropped. Returns `RateLimited` if too many of the user or
    /// from the address are under way.
    pub fn begin_mutation(
        &self,
        user: Option<&UserId>,
        from: Option<ClientAddress>,
    ) -> Result<MutationPermit, Error> {
        let Some(limiters) = &self.limiters else {
            return Ok(MutationPermit {
                _user: None,
                _address: None,
            });
        };
        let refused = || {
            self.metrics.under_way.increment(1);
            Error::RateLimited {
                retry_after: RETRY_AFTER,
            }
        };
        let user = user.map(|user| limiters.mutations_of_user.begin(user.clone()));
        let address = from.map(|from| limiters.mutations_from_address.begin(from));
        Ok(MutationPermit {
            _user: user.map(|user| user.ok_or_else(refused)).transpose()?,
            _address: address.map(|from| from.ok_or_else(refused)).transpose()?,
        })
    }

    /// Returns the turns in which an execution from this address may read the store. All executions of an
    /// address share them.
    pub fn read_turns(&self, from: Option<ClientAddress>) -> Arc<Semaphore> {
        match (&self.limiters, from) {
            (Some(limiters), Some(from)) => limiters.reads.of_address(from),
            _ => reads::of_execution(),
        }
    }

    /// Runs `admission`, which admits a guest, and counts it for the address unless it fails.
    ///
    /// # Errors
    ///
    /// Returns `RateLimited`, without running `admission`, if the budget of the address is used up.
    pub async fn guest(
        &self,
        from: Option<ClientAddress>,
        admission: impl Future<Output = Result<(), Error>>,
    ) -> Result<(), Error> {
        let limiter = self
            .limiters
            .as_ref()
            .map(|limiters| &limiters.guests_by_address);
        let limit = limiter.zip(from.as_ref());
        counted(limit, &self.metrics.guests, admission).await
    }

    /// Runs `opening`, which opens a page's post for a caller of any role, and counts it for the address
    /// unless it fails.
    ///
    /// # Errors
    ///
    /// Returns `RateLimited`, without running `opening`, if the budget of the address is used up.
    pub async fn page<T>(
        &self,
        from: Option<ClientAddress>,
        opening: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let limiter = self
            .limiters
            .as_ref()
            .map(|limiters| &limiters.pages_by_address);
        let limit = limiter.zip(from.as_ref());
        counted(limit, &self.metrics.pages, opening).await
    }

    /// Drops the state of inactive users and addresses every minute, so that memory follows the active
    /// ones. Runs until it is dropped.
    pub async fn run(&self) {
        let mut ticks = tokio::time::interval(CLEANUP_INTERVAL);
        loop {
            ticks.tick().await;
            if let Some(limiters) = &self.limiters {
                limiters.typing.drop_inactive();
                limiters.comments.drop_inactive();
                limiters.comments_by_address.drop_inactive();
                limiters.mutations.drop_inactive();
                limiters.mutations_of_moderators.drop_inactive();
                limiters.reports.drop_inactive();
                limiters.reactions.drop_inactive();
                limiters.checks.drop_inactive();
                limiters.guests_by_address.drop_inactive();
                limiters.pages_by_address.drop_inactive();
                limiters.reads.drop_inactive();
            }
        }
    }
}

/// Runs `action`, and counts it for the key of `limit` unless it fails. Without a limit it only runs it.
async fn counted<K: Clone + Eq + Hash, T>(
    limit: Option<(&Limiter<K>, &K)>,
    refused: &Counter,
    action: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match limit {
        Some((limiter, key)) => limiter.count_success(key, refused, action).await,
        None => action.await,
    }
}

/// Converts a setting whose parser refuses zero.
fn non_zero(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}
