//! The fan-out of a room's events to a subscriber group.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use super::{
    group_renderer::GroupRenderer,
    render_error::RenderError,
    subscriber_group::SubscriberGroup,
    topic::{Received, Step, Topic},
};
use crate::{memory::Account, rooms::Listener};

/// Delay before an event is rendered again for which the process had too little memory.
const RETRY_DELAY: Duration = Duration::from_millis(100);
/// Maximum number of such delays. After them the subscribers catch up, each on its own account.
const MAX_RETRIES: u32 = 50;

/// Delivers events to the group until it is dropped. Ends it if its post was moved or deleted.
pub(super) async fn run<T: Topic>(
    topic: T,
    receiver: T::Receiver,
    renderer: Arc<GroupRenderer>,
    memory: Account,
    ending: Option<Listener>,
    group: Weak<SubscriberGroup<T>>,
) {
    let receiving = receive(topic, receiver, renderer, memory, Weak::clone(&group));
    let Some(room) = ending else {
        return receiving.await;
    };
    let end = tokio::select! {
        biased;
        end = room.ended() => end,
        () = receiving => room.ended().await,
    };
    if let Some(group) = group.upgrade() {
        group.end(end);
    }
}

async fn receive<T: Topic>(
    topic: T,
    mut receiver: T::Receiver,
    renderer: Arc<GroupRenderer>,
    memory: Account,
    group: Weak<SubscriberGroup<T>>,
) {
    while let Some(received) = topic.receive(&mut receiver).await {
        let moved_on = match received {
            Received::Steps(steps) => deliver(&renderer, &memory, &group, steps).await,
            Received::Gap(progress) => group.upgrade().map(|group| group.skip_to(progress)),
        };
        if moved_on.is_none() {
            return;
        }
    }
}

/// Renders consecutive steps and delivers them together. While there is too little memory, delivers
/// what is rendered and waits. Returns `None` if the group has been dropped.
async fn deliver<T: Topic>(
    renderer: &GroupRenderer,
    memory: &Account,
    group: &Weak<SubscriberGroup<T>>,
    steps: Vec<Step<T>>,
) -> Option<()> {
    let Some(last) = steps.last().map(|step| step.progress.clone()) else {
        return Some(());
    };
    let mut updates = Vec::with_capacity(steps.len());
    let mut retries = 0;
    for step in &steps {
        loop {
            match renderer.update(step, memory).await {
                Ok(update) => {
                    updates.push(update);
                    break;
                }
                // They hold memory that others wait for.
                Err(RenderError::Overloaded) if !updates.is_empty() => {
                    let updates = std::mem::take(&mut updates);
                    group.upgrade()?.deliver(updates).await;
                }
                Err(RenderError::Overloaded) if retries < MAX_RETRIES => {
                    retries += 1;
                    tokio::time::sleep(RETRY_DELAY).await;
                }
                Err(RenderError::Overloaded) => {
                    return group.upgrade().map(|group| group.skip_to(last));
                }
                Err(error) => return group.upgrade().map(|group| group.fail(error, last)),
            }
        }
    }
    group.upgrade()?.deliver(updates).await;
    Some(())
}
