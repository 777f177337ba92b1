//! The sink of a subscription to several topics.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::{
    payload::Payload,
    sink::{Closed, Sink, Turn},
};
use crate::error::Error;

/// A sink that the subscribers of several topics offer to, one at a time. The first error ends it for all.
pub struct JointSink {
    sink: Arc<dyn Sink>,
    is_ended: Mutex<bool>,
}

impl JointSink {
    /// Creates a sink that passes everything on to `sink`.
    pub fn new(sink: Arc<dyn Sink>) -> Self {
        Self {
            sink,
            is_ended: Mutex::new(false),
        }
    }
}

impl JointSink {
    /// Ends the sink, which then takes nothing more. Returns false if an error has ended it before.
    pub fn end(&self) -> bool {
        !std::mem::replace(&mut *self.is_ended.lock(), true)
    }
}

impl Sink for JointSink {
    fn offer(&self, payloads: &[Payload]) -> Result<usize, Closed> {
        let is_ended = self.is_ended.lock();
        if *is_ended {
            Err(Closed)
        } else {
            self.sink.offer(payloads)
        }
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        self.sink.ready()
    }

    fn turn(&self) -> BoxFuture<'_, Turn> {
        self.sink.turn()
    }

    fn fail(&self, error: Error) {
        let mut is_ended = self.is_ended.lock();
        if !std::mem::replace(&mut *is_ended, true) {
            self.sink.fail(error);
        }
    }
}
