//! The bodies of requests: whether they were read to their end.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

/// Tells whether a request's body was read to its end. The connection of one that was not cannot be
/// used again.
#[derive(Debug)]
pub(super) struct BodyEnd {
    /// `None` for a request without a body.
    has_ended: Option<Arc<AtomicBool>>,
}

/// A body that notes its end.
struct Observed {
    body: Incoming,
    has_ended: Arc<AtomicBool>,
}

/// Wraps a request's body, to be asked afterwards whether it was read.
pub(super) fn observe(body: Incoming) -> (Body, BodyEnd) {
    if body.is_end_stream() {
        return (Body::new(body), BodyEnd { has_ended: None });
    }
    let has_ended = Arc::new(AtomicBool::new(false));
    let end = BodyEnd {
        has_ended: Some(Arc::clone(&has_ended)),
    };
    (Body::new(Observed { body, has_ended }), end)
}

impl BodyEnd {
    /// Returns true if nothing of the body is left to be read.
    pub(super) fn is_reached(&self) -> bool {
        let has_ended = self.has_ended.as_ref();
        has_ended.is_none_or(|has_ended| has_ended.load(Ordering::Relaxed))
    }
}

impl HttpBody for Observed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.has_ended.store(true, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
