//! Silent readers: their connections stay open, and nothing is read, sent or answered.

use std::{
    sync::{atomic::Ordering, mpsc::Receiver},
    thread,
    time::{Duration, Instant},
};

use crate::{
    World,
    line::{Fault, Line, Transport},
};

/// The time within which the server must drop a silent socket.
pub const FORGOTTEN_WITHIN: Duration = Duration::from_secs(30);

/// A silent reader.
pub struct Silent {
    pub line: Line,
    pub since: Instant,
}

/// Keeps each connection until the server must have dropped it, and checks that it has. This continues after
/// the end of the soak, so that no client closes a silent socket itself. The server sends no ping on a stream
/// over HTTP, so that one is closed then.
pub fn keep(world: &World, graves: &Receiver<Silent>) -> Result<(), Fault> {
    while let Ok(mut silent) = graves.recv() {
        let until = silent.since + FORGOTTEN_WITHIN;
        thread::sleep(until.saturating_duration_since(Instant::now()));
        if silent.line.transport() == Transport::WebSocket {
            world.tally.silent.fetch_add(1, Ordering::Relaxed);
            if !silent.line.is_closed()? {
                return Err(Fault::StillOpen);
            }
            world.tally.forgotten.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}
