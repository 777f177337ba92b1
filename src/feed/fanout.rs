//! The fan-out of a room's events to a subscriber group.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use super::{
    batch::Update,
    render_error::RenderError,
    subscriber_group::SubscriberGroup,
    topic::{Received, Step, Topic},
};

/// Delay before an event is rendered again for which the process had too little memory.
const RETRY_DELAY: Duration = Duration::from_millis(100);
/// Maximum number of such delays. After them the subscribers catch up, each on its own account.
const MAX_RETRIES: u32 = 50;

/// Delivers events to the group until it is dropped or the room ends.
pub(super) async fn run<T: Topic>(
    topic: T,
    mut receiver: T::Receiver,
    group: Weak<SubscriberGroup<T>>,
) {
    while let Some(received) = topic.receive(&mut receiver).await {
        let Some(group) = group.upgrade() else {
            return;
        };
        match received {
            Received::Steps(steps) => deliver(&group, steps).await,
            Received::Gap(progress) => group.skip_to(progress),
        }
    }
}

/// Renders consecutive steps and delivers them together. While there is too little memory, delivers
/// what is rendered and waits.
async fn deliver<T: Topic>(group: &Arc<SubscriberGroup<T>>, steps: Vec<Step<T>>) {
    let Some(last) = steps.last().map(|step| step.progress.clone()) else {
        return;
    };
    let mut updates = Vec::with_capacity(steps.len());
    let mut retries = 0;
    for step in &steps {
        loop {
            let (render, memory) = (&*group.render, &group.feed.memory);
            match Update::render(render, &group.place, memory, step).await {
                Ok(update) => {
                    updates.push(update);
                    break;
                }
                // They hold memory that others wait for.
                Err(RenderError::Overloaded) if !updates.is_empty() => {
                    group.deliver(std::mem::take(&mut updates)).await;
                }
                Err(RenderError::Overloaded) if retries < MAX_RETRIES => {
                    retries += 1;
                    tokio::time::sleep(RETRY_DELAY).await;
                }
                Err(RenderError::Overloaded) => return group.skip_to(last),
                Err(error) => return group.fail(error, last),
            }
        }
    }
    group.deliver(updates).await;
}
