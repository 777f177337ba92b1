//! The readers of a post.

use async_graphql::Object;

use super::user::User;

/// The readers of a post at one time.
#[derive(Clone, Copy, Debug)]
pub(super) struct ViewerList {
    /// Number of distinct readers.
    pub(super) count: usize,
}

/// The readers of a post now. Their names are not shared, so all count as anonymous.
#[Object]
impl ViewerList {
    /// The number of distinct readers, as `viewerCount` has it.
    async fn count(&self) -> i32 {
        i32::try_from(self.count).unwrap_or(i32::MAX)
    }

    /// The number of those without a name.
    async fn anonymous_count(&self) -> i32 {
        i32::try_from(self.count).unwrap_or(i32::MAX)
    }

    /// The first of those with a name, by arrival.
    async fn users(&self) -> Vec<User> {
        Vec::new()
    }
}
