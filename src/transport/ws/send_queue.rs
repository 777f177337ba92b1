//! The send queue of a WebSocket: bounded, with a deadline for a client that takes nothing.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    time::{Duration, Instant},
};

use super::frame::{Frame, MAX_SLICES};
use crate::config::WsConfig;

/// Maximum number of frames in one write.
const FRAMES_PER_WRITE: usize = 8;

/// The bounds of a queue. The last message may exceed `bytes`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capacity {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

impl Capacity {
    /// Returns the capacity that the settings give to a socket.
    pub(super) fn of(config: &WsConfig) -> Self {
        Self {
            messages: usize::try_from(config.ws_queue).unwrap_or(usize::MAX),
            bytes: config.ws_queue_bytes,
        }
    }
}

/// Frames that wait to be written to a socket.
///
/// Producers check the capacity first and pause while there is none. The session then stops reading
/// too, so a client that does not read is not served further requests.
#[derive(Debug)]
pub(super) struct SendQueue {
    frames: VecDeque<Frame>,
    /// The number of bytes of the first frame that were written.
    written: usize,
    /// The size of all frames in the queue, written bytes included.
    bytes: usize,
    capacity: Capacity,
    write_timeout: Duration,
    /// The time of the last progress, or when the socket first took no more; `None` while it is not
    /// blocked.
    blocked_since: Option<Instant>,
}

/// The result of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// The queue is empty.
    All,
    /// The socket takes no more now.
    Some,
}

impl SendQueue {
    /// Creates a queue. Its deadline passes once a blocked socket has taken nothing for
    /// `write_timeout`.
    pub(super) fn new(capacity: Capacity, write_timeout: Duration) -> Self {
        Self {
            frames: VecDeque::new(),
            written: 0,
            bytes: 0,
            capacity,
            write_timeout,
            blocked_since: None,
        }
    }

    /// Returns true if there is capacity for one more message.
    pub(super) fn has_capacity(&self) -> bool {
        self.bytes < self.capacity.bytes && self.frames.len() < self.capacity.messages
    }

    /// Returns how many of the messages with these `lengths`, from the first on, fit into the
    /// queue.
    pub(super) fn count_fitting(&self, lengths: impl Iterator<Item = usize>) -> usize {
        let free = self.capacity.messages.saturating_sub(self.frames.len());
        let mut bytes = self.bytes;
        lengths
            .take(free)
            .take_while(|length| {
                let fits = bytes < self.capacity.bytes;
                bytes += length;
                fits
            })
            .count()
    }

    /// Returns true if nothing waits to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Appends a frame, even beyond the capacity.
    pub(super) fn push(&mut self, frame: Frame) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
    }

    /// Removes all frames, except one that was partly written.
    pub(super) fn clear(&mut self) {
        self.frames.truncate(usize::from(self.written > 0));
        self.bytes = self.frames.iter().map(Frame::len).sum();
    }

    /// Returns the time at which the client counts as too slow, or `None` while the socket is not
    /// blocked.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.blocked_since.map(|since| since + self.write_timeout)
    }

    /// Writes as much as `write` takes, several frames at once.
    ///
    /// # Errors
    ///
    /// Fails if the socket is broken.
    pub(super) fn write(
        &mut self,
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<Written> {
        while !self.frames.is_empty() {
            let mut slices = [IoSlice::new(&[]); FRAMES_PER_WRITE * MAX_SLICES];
            let mut count = 0;
            for frame in self.frames.iter().take(FRAMES_PER_WRITE) {
                for slice in frame.slices() {
                    if !slice.is_empty() {
                        slices[count] = slice;
                        count += 1;
                    }
                }
            }
            let mut unwritten = &mut slices[..count];
            IoSlice::advance_slices(&mut unwritten, self.written);
            match write(unwritten) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.blocked_since.get_or_insert_with(Instant::now);
                    return Ok(Written::Some);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.blocked_since = None;
        Ok(Written::All)
    }

    /// Marks the first `bytes` of the queue as written.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.written += bytes;
        while let Some(first) = self.frames.front() {
            let len = first.len();
            if self.written < len {
                break;
            }
            self.written -= len;
            self.bytes -= len;
            self.frames.pop_front();
        }
        if bytes > 0 && self.blocked_since.is_some() {
            self.blocked_since = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_BYTES: usize = 64 * 1024;

    fn queue_of(texts: &[&str]) -> SendQueue {
        let capacity = Capacity {
            messages: 3,
            bytes: MAX_BYTES,
        };
        let mut queue = SendQueue::new(capacity, Duration::from_secs(1));
        for text in texts {
            queue.push(Frame::text(text));
        }
        queue
    }

    /// Returns a socket that takes `step` bytes at a time, up to `limit` in total.
    fn socket(
        step: usize,
        limit: usize,
        taken: &mut Vec<u8>,
    ) -> impl FnMut(&[IoSlice<'_>]) -> io::Result<usize> {
        move |slices| {
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            let count = step.min(bytes.len()).min(limit - taken.len());
            if count == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            taken.extend(&bytes[..count]);
            Ok(count)
        }
    }

    #[test]
    fn partial_writes_keep_frames_whole_and_in_order() {
        for step in 1..12 {
            let (mut queue, mut taken) = (queue_of(&["one", "two", "three"]), Vec::new());
            let written = queue.write(socket(step, 100, &mut taken)).unwrap();
            assert_eq!(written, Written::All);
            assert_eq!(taken, b"\x81\x03one\x81\x03two\x81\x05three");
            assert!(queue.is_empty() && queue.deadline().is_none());
        }
    }

    #[test]
    fn clear_keeps_a_partly_written_frame() {
        let (mut queue, mut taken) = (queue_of(&["one", "two", "three"]), Vec::new());
        let written = queue.write(socket(4, 7, &mut taken)).unwrap();
        assert_eq!(written, Written::Some);
        assert!(queue.deadline().is_some());
        queue.clear();
        queue.push(Frame::ping());
        queue.write(socket(100, 100, &mut taken)).unwrap();
        assert_eq!(taken, b"\x81\x03one\x81\x03two\x89\0");
    }

    #[test]
    fn message_and_byte_limits_bound_the_queue() {
        let fitting =
            |texts: &[&str], length| queue_of(texts).count_fitting([length; 9].into_iter());
        assert_eq!(fitting(&["one"], 1), 2);
        assert_eq!(fitting(&["one", "two", "three"], 1), 0);
        assert_eq!(fitting(&[&"x".repeat(MAX_BYTES)], 1), 0);
        // The last message may exceed the bytes.
        assert_eq!(fitting(&["one"], MAX_BYTES), 1);
        assert!(queue_of(&["one"]).has_capacity());
        assert!(!queue_of(&[&"x".repeat(MAX_BYTES)]).has_capacity());
    }

    #[test]
    fn push_does_not_extend_the_write_deadline() {
        let (mut queue, mut taken) = (queue_of(&["one", "two"]), Vec::new());
        queue.write(socket(4, 7, &mut taken)).unwrap();
        let deadline = queue.deadline();
        queue.push(Frame::ping());
        queue.advance(0);
        assert_eq!(queue.deadline(), deadline);
    }
}
