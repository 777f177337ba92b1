//! What waits to be written to one socket: a bounded queue, and how long it has not moved.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    time::{Duration, Instant},
};

use super::frame::{Frame, MAX_PIECES};

/// How many frames go into one write.
const FRAMES_A_WRITE: usize = 8;

/// With how many messages, or bytes, the queue is full. The last message may go over the bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

/// The queue before a socket. Whoever fills it asks for room first, and stops reading
/// and producing until there is some: so a client that does not read is not read either.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: VecDeque<Frame>,
    /// How many bytes of the first frame are written already.
    written: usize,
    /// How many bytes the frames of the queue have.
    bytes: usize,
    room: Room,
    patience: Duration,
    /// When the socket last took something, or when there was first something to take.
    moved_at: Option<Instant>,
}

/// Whether anything is left to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Nothing is left.
    All,
    /// The socket takes no more now.
    Some,
}

impl Outbox {
    /// As much waits as there is room for, and nothing for longer than `patience` without the socket
    /// taking anything.
    pub(super) fn new(room: Room, patience: Duration) -> Self {
        Self {
            queue: VecDeque::new(),
            written: 0,
            bytes: 0,
            room,
            patience,
            moved_at: None,
        }
    }

    /// Whether there is room for one more message.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < self.room.bytes && self.queue.len() < self.room.messages
    }

    /// For how many of these messages, of so many bytes each, there is room.
    pub(super) fn room_for(&self, lengths: impl Iterator<Item = usize>) -> usize {
        let places = self.room.messages.saturating_sub(self.queue.len());
        let mut bytes = self.bytes;
        lengths
            .take(places)
            .take_while(|length| {
                let has_room = bytes < self.room.bytes;
                bytes += length;
                has_room
            })
            .count()
    }

    /// Whether nothing waits to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Puts a frame behind the others.
    pub(super) fn push(&mut self, frame: Frame) {
        self.bytes += frame.len();
        self.queue.push_back(frame);
    }

    /// Forgets what waits, but for a frame of which the client has a part.
    pub(super) fn clear(&mut self) {
        self.queue.truncate(usize::from(self.written > 0));
        self.bytes = self.queue.iter().map(Frame::len).sum();
    }

    /// When the client has taken nothing for too long; `None` where nothing waits.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.moved_at.map(|at| at + self.patience)
    }

    /// Writes as much as `write` takes, several frames at once. An error is the socket's, and says
    /// that it takes nothing any more.
    pub(super) fn write(
        &mut self,
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<Written> {
        while !self.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); FRAMES_A_WRITE * MAX_PIECES];
            let mut count = 0;
            for frame in self.queue.iter().take(FRAMES_A_WRITE) {
                for piece in frame.pieces() {
                    if !piece.is_empty() {
                        slices[count] = piece;
                        count += 1;
                    }
                }
            }
            let mut unwritten = &mut slices[..count];
            IoSlice::advance_slices(&mut unwritten, self.written);
            match write(unwritten) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => self.took(taken),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.moved_at.get_or_insert_with(Instant::now);
                    return Ok(Written::Some);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.moved_at = None;
        Ok(Written::All)
    }

    /// Counts bytes of the first frames as written.
    pub(super) fn took(&mut self, bytes: usize) {
        self.written += bytes;
        while let Some(first) = self.queue.front() {
            let len = first.len();
            if self.written < len {
                break;
            }
            self.written -= len;
            self.bytes -= len;
            self.queue.pop_front();
        }
        if bytes > 0 && self.moved_at.is_some() {
            self.moved_at = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_BYTES: usize = 64 * 1024;

    fn outbox(texts: &[&str]) -> Outbox {
        let room = Room {
            messages: 3,
            bytes: MAX_BYTES,
        };
        let mut outbox = Outbox::new(room, Duration::from_secs(1));
        for text in texts {
            outbox.push(Frame::text(text));
        }
        outbox
    }

    /// A socket that takes so many bytes at a time, until it has taken `most`.
    fn taking(
        step: usize,
        most: usize,
        taken: &mut Vec<u8>,
    ) -> impl FnMut(&[IoSlice<'_>]) -> io::Result<usize> {
        move |slices| {
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            let count = step.min(bytes.len()).min(most - taken.len());
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
            let (mut outbox, mut taken) = (outbox(&["one", "two", "three"]), Vec::new());
            let written = outbox.write(taking(step, 100, &mut taken)).unwrap();
            assert_eq!(written, Written::All);
            assert_eq!(taken, b"\x81\x03one\x81\x03two\x81\x05three");
            assert!(outbox.is_empty() && outbox.deadline().is_none());
        }
    }

    #[test]
    fn clear_keeps_a_partly_written_frame() {
        let (mut outbox, mut taken) = (outbox(&["one", "two", "three"]), Vec::new());
        let written = outbox.write(taking(4, 7, &mut taken)).unwrap();
        assert_eq!(written, Written::Some);
        assert!(outbox.deadline().is_some());
        outbox.clear();
        outbox.push(Frame::ping());
        outbox.write(taking(100, 100, &mut taken)).unwrap();
        assert_eq!(taken, b"\x81\x03one\x81\x03two\x89\0");
    }

    #[test]
    fn message_and_byte_limits_bound_the_queue() {
        let room = |texts: &[&str], length| outbox(texts).room_for([length; 9].into_iter());
        assert_eq!(room(&["one"], 1), 2);
        assert_eq!(room(&["one", "two", "three"], 1), 0);
        assert_eq!(room(&[&"x".repeat(MAX_BYTES)], 1), 0);
        // The one that goes over the bytes is the last.
        assert_eq!(room(&["one"], MAX_BYTES), 1);
        assert!(outbox(&["one"]).has_room());
        assert!(!outbox(&[&"x".repeat(MAX_BYTES)]).has_room());
    }

    #[test]
    fn push_does_not_extend_the_write_deadline() {
        let (mut outbox, mut taken) = (outbox(&["one", "two"]), Vec::new());
        outbox.write(taking(4, 7, &mut taken)).unwrap();
        let deadline = outbox.deadline();
        outbox.push(Frame::ping());
        outbox.took(0);
        assert_eq!(outbox.deadline(), deadline);
    }
}
