//! The tasks that run beside the requests.

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Tasks that are dropped when `stop` is cancelled.
pub(super) struct Background {
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl Background {
    /// Spawns a task that ends at `stop`, wherever it waits then.
    pub(super) fn spawn(&self, task: impl Future<Output: Send> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(stop.run_until_cancelled_owned(task));
    }
}
