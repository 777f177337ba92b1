//! Readers who have fallen silent: their connections stay open, and nothing is read, said or answered.

use std::{
    sync::{atomic::Ordering, mpsc::Receiver},
    thread,
    time::{Duration, Instant},
};

use crate::{
    World,
    line::{Fault, Line, Transport},
};

/// Within how long the server has given a silent socket up.
pub const FORGOTTEN_WITHIN: Duration = Duration::from_secs(30);

/// One of them.
pub struct Silent {
    pub line: Line,
    pub since: Instant,
}

/// Keeps each for as long as the server may take to notice, and sees that it has; to its end even where
/// the soak is over, so that nobody is helped to go. A stream over HTTP is not asked for a sign of life:
/// that one is let go then.
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
