//! The fan-out of a room's events to a subscriber group.

use std::sync::{Arc, Weak};

use super::{
    batch::Update,
    subscriber_group::SubscriberGroup,
    topic::{Received, Step, Topic},
};

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

/// Renders consecutive steps and delivers them together.
async fn deliver<T: Topic>(group: &Arc<SubscriberGroup<T>>, steps: Vec<Step<T>>) {
    let Some(last) = steps.last().map(|step| step.progress.clone()) else {
        return;
    };
    let mut updates = Vec::with_capacity(steps.len());
    for step in steps {
        match Update::render(&*group.render, &group.place, step).await {
            Ok(update) => updates.push(update),
            Err(error) => return group.fail(error, last),
        }
    }
    group.deliver(updates).await;
}
