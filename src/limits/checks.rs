//! The limits of what the site's check is asked. Unlike other limits they also count what is refused, because
//! the question was asked.

use metrics::Counter;

use super::{
    RETRY_AFTER,
    limiter::Limiter,
    under_way::{Counted, UnderWay},
};
use crate::{
    config::WritingConfig,
    error::Error,
    model::{ClientAddress, UserId},
};

/// Maximum number of questions about one user's texts that are under way at once.
const OF_USER: u32 = 4;
/// Maximum number of questions about texts from one address that are under way at once.
const FROM_ADDRESS: u32 = 8;

/// The questions of users and addresses, by the minute and under way.
#[derive(Debug)]
pub(super) struct CheckLimits {
    of_user: Limiter<UserId>,
    from_address: Limiter<ClientAddress>,
    under_way_of_user: UnderWay<UserId>,
    under_way_from_address: UnderWay<ClientAddress>,
}

/// A question to the site's check that is counted until this is dropped.
#[derive(Debug)]
pub struct CheckPermit {
    _user: Counted<UserId>,
    _address: Option<Counted<ClientAddress>>,
}

impl CheckLimits {
    /// Creates the limits. There are as many questions a minute as comments.
    pub(super) fn new(config: &WritingConfig) -> Self {
        Self {
            of_user: Limiter::per_minute(config.comments_per_user),
            from_address: Limiter::per_minute(config.comments_per_address),
            under_way_of_user: UnderWay::new(OF_USER),
            under_way_from_address: UnderWay::new(FROM_ADDRESS),
        }
    }

    /// Counts a question. Returns `RateLimited`, and counts that in `refused`, if the user or the address asks
    /// too often, or too much at once.
    pub(super) fn begin(
        &self,
        user: &UserId,
        from: Option<ClientAddress>,
        refused: &Counter,
    ) -> Result<CheckPermit, Error> {
        let too_many = || {
            refused.increment(1);
            Error::RateLimited {
                retry_after: RETRY_AFTER,
            }
        };
        let of_user = self.under_way_of_user.begin(user.clone());
        let from_address = from.map(|from| self.under_way_from_address.begin(from));
        let permit = CheckPermit {
            _user: of_user.ok_or_else(too_many)?,
            _address: from_address
                .map(|counted| counted.ok_or_else(too_many))
                .transpose()?,
        };
        self.of_user.count(user, refused)?;
        if let Some(from) = &from {
            self.from_address.count(from, refused)?;
        }
        Ok(permit)
    }

    /// Drops the state of inactive users and addresses.
    pub(super) fn drop_inactive(&self) {
        self.of_user.drop_inactive();
        self.from_address.drop_inactive();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_count_by_the_minute_and_under_way() {
        let config = WritingConfig {
            comments_per_user: 6,
            ..super::super::tests::config()
        };
        let (limits, refused) = (CheckLimits::new(&config), Counter::noop());
        let ada = UserId::parse("ada").unwrap();
        let begin = || limits.begin(&ada, None, &refused);
        let under_way: Vec<_> = (0..OF_USER).map(|_| begin().unwrap()).collect();
        assert!(matches!(begin(), Err(Error::RateLimited { .. })));
        drop(under_way);
        // One that is refused while others are under way does not count.
        drop((begin().unwrap(), begin().unwrap()));
        assert!(matches!(begin(), Err(Error::RateLimited { .. })));
    }
}
