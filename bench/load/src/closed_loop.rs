//! A closed loop: HTTP connections, each of which sends its next request as soon as the last is answered.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::{
    crowd::CrowdError,
    http::{Connection, HttpError, TIMEOUT},
    interrupt::Interrupt,
};

/// The result of a loop.
#[derive(Debug)]
pub struct Answered {
    pub operations: u64,
    pub elapsed: Duration,
    /// The latencies in ascending order, in nanoseconds.
    pub latencies: Vec<u64>,
}

/// The end condition of a loop.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    Passed(Duration),
    Answered(u64),
}

/// Sends requests over `connections` connections. Every request sent is awaited and counted, and a refused
/// one is an error.
pub fn run(
    address: SocketAddr,
    connections: usize,
    until: Until,
    interrupt: &Interrupt,
    mut request: impl FnMut() -> Vec<u8>,
) -> Result<Answered, CrowdError> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let mut open = Vec::with_capacity(connections);
    for place in 0..connections {
        let connection = Connection::open(address)?.nonblocking()?;
        epoll.add(
            &connection,
            EpollEvent::new(EpollFlags::EPOLLIN, place as u64),
        )?;
        open.push((connection, Instant::now()));
    }
    let start = Instant::now();
    let mut sent = 0;
    let goes_on = |sent: u64| match until {
        Until::Passed(duration) => start.elapsed() < duration,
        Until::Answered(operations) => sent < operations,
    };
    for (connection, since) in &mut open {
        if goes_on(sent) {
            *since = Instant::now();
            connection.send(&request())?;
            sent += 1;
        }
    }
    let mut latencies = Vec::new();
    let mut events = [EpollEvent::empty(); 64];
    let mut buffer = vec![0; 64 * 1024];
    let mut last = Instant::now();
    while (latencies.len() as u64) < sent {
        interrupt.check()?;
        if last.elapsed() > TIMEOUT {
            return Err(HttpError::Closed.into());
        }
        let ready = match epoll.wait(&mut events, EpollTimeout::from(1000u16)) {
            Ok(ready) => ready,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        for event in &events[..ready] {
            let (connection, since) = &mut open[usize::try_from(event.data()).unwrap_or_default()];
            let Some(response) = connection.receive(&mut buffer)? else {
                continue;
            };
            response.accepted()?;
            last = Instant::now();
            let latency = last.duration_since(*since).as_nanos();
            latencies.push(u64::try_from(latency).unwrap_or(u64::MAX));
            if goes_on(sent) {
                *since = last;
                connection.send(&request())?;
                sent += 1;
            }
        }
    }
    let elapsed = start.elapsed();
    latencies.sort_unstable();
    Ok(Answered {
        operations: sent,
        elapsed,
        latencies,
    })
}
