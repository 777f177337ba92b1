//! Entry point for fuzzing: bodies in chunks of any sizes.

use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;

use super::request::{self, Rejection};
use crate::memory::Account;

const BODY_LIMIT: usize = 1024;
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Reads a body. The first byte is its memory, in units of 16 bytes; a chunk ends with a zero.
pub fn body(bytes: &[u8]) {
    let Some((memory, chunks)) = bytes.split_first() else {
        return;
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
    else {
        return;
    };
    let chunks: Vec<&[u8]> = chunks.split(|byte| *byte == 0).collect();
    let whole = chunks.concat();
    let chunks = chunks.into_iter().map(Bytes::copy_from_slice);
    let chunks: Vec<_> = chunks.map(Ok::<_, std::convert::Infallible>).collect();
    let body = Body::from_stream(stream::iter(chunks));
    let memory = usize::from(*memory) * 16;
    let budget = Account::separate(memory);
    let read = runtime.block_on(request::read(body, BODY_LIMIT, TIME_LIMIT, &budget));
    match &read {
        Ok((body, reserved)) => {
            assert_eq!(*body, whole, "not what was sent");
            assert!(body.len() <= BODY_LIMIT, "beyond the limit");
            assert!(
                body.capacity() <= reserved.bytes().max(64),
                "more than is reserved"
            );
        }
        Err(Rejection::NoMemory(_)) => assert!(whole.len() * 2 > memory, "refused within it"),
        Err(Rejection::Invalid { .. }) => assert!(whole.len() > BODY_LIMIT, "refused within it"),
        Err(Rejection::Batch) => unreachable!("a body is read, and not parsed"),
    }
    drop(read);
    assert_eq!(budget.used(), 0, "memory is still reserved");
}
