//! A subscriber's progress in its topic.

/// The point up to which a subscriber was served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress<S> {
    /// A seq of a log, or the version of a value. Everything up to it was sent to the subscriber
    /// or filtered out.
    pub position: i64,
    /// The state that the subscriber knows.
    pub state: S,
}

impl<S> Progress<S> {
    /// Returns the progress of a subscriber that was sent nothing. Any version of a value is newer.
    pub fn none(state: S) -> Self {
        Self {
            position: -1,
            state,
        }
    }
}
