//! All subscribers of a server, or of the nodes of a cluster, in one loop, and one publishing connection.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::{
    client::{Client, Fault, Tally},
    comment::{Numbers, Publication},
    http::{Connection, HttpError, TIMEOUT},
    interrupt::{Interrupt, Interrupted},
    protocol::Protocol,
};

/// The number of clients that may be joining at the same time: fewer than any server's backlog.
const JOINING_AT_ONCE: usize = 128;
/// The silence after which a server is at rest: longer than any window of conflation.
const REST: Duration = Duration::from_millis(600);
/// The number of comments sent before the measurement.
const WARM_UP: usize = 20;
/// The publisher's token among the events.
const PUBLISHER: u64 = u64::MAX;

/// The error of a crowd's run.
#[derive(Debug, thiserror::Error)]
pub enum CrowdError {
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    #[error("client {client} of {of}: {fault}")]
    Client {
        client: usize,
        of: usize,
        fault: Fault,
    },
    #[error("LOST: {missing} of {due} deliveries did not arrive within {} s", TIMEOUT.as_secs())]
    Lost { missing: u64, due: u64 },
    #[error("{joined} of {of} clients are in the room, and no other gets in")]
    NotJoined { joined: usize, of: usize },
    #[error("the publisher: {0}")]
    Publisher(#[from] HttpError),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Epoll(#[from] nix::errno::Errno),
}

/// The subscribers of one server, and its publisher.
pub struct Crowd<'a> {
    nodes: Vec<SocketAddr>,
    protocol: Protocol,
    publication: Publication,
    publisher: Connection,
    clients: Vec<Client>,
    numbers: Numbers,
    tally: Tally,
    epoll: Epoll,
    events: Vec<EpollEvent>,
    buffer: Vec<u8>,
    interrupt: &'a Interrupt,
}

/// The deliveries of a phase.
#[derive(Debug)]
pub struct Delivered {
    pub deliveries: u64,
    pub elapsed: Duration,
    /// The latencies of each node in nanoseconds, in ascending order. Empty if the phase does not measure
    /// them.
    pub latencies: Vec<Vec<u64>>,
}

impl<'a> Crowd<'a> {
    /// Creates an empty crowd with a publisher. Clients are spread evenly over the nodes, and the publisher
    /// sends to the first.
    pub fn new(
        nodes: Vec<SocketAddr>,
        protocol: Protocol,
        publication: Publication,
        interrupt: &'a Interrupt,
    ) -> Result<Self, CrowdError> {
        let publisher = Connection::open(nodes[0])?.nonblocking()?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&publisher, EpollEvent::new(EpollFlags::EPOLLIN, PUBLISHER))?;
        Ok(Self {
            nodes,
            protocol,
            publication,
            publisher,
            clients: Vec::new(),
            numbers: Numbers::new(),
            tally: Tally::default(),
            epoll,
            events: vec![EpollEvent::empty(); 1024],
            buffer: vec![0; 64 * 1024],
            interrupt,
        })
    }

    /// Joins clients as fast as possible, and returns the time that it took.
    pub fn join(&mut self, clients: usize) -> Result<Duration, CrowdError> {
        let start = Instant::now();
        let mut progress = (0, start);
        while self.tally.joined < clients {
            while self.clients.len() < clients
                && self.clients.len() - self.tally.joined < JOINING_AT_ONCE
            {
                self.connect(clients)?;
            }
            self.turn(Instant::now() + Duration::from_millis(100))?;
            if self.tally.joined > progress.0 {
                progress = (self.tally.joined, Instant::now());
            } else if progress.1.elapsed() > TIMEOUT {
                return Err(CrowdError::NotJoined {
                    joined: self.tally.joined,
                    of: clients,
                });
            }
        }
        Ok(start.elapsed())
    }

    fn connect(&mut self, of: usize) -> Result<(), CrowdError> {
        let place = self.clients.len();
        let node = place % self.nodes.len();
        let client = Client::connect(node, self.nodes[node], &self.protocol);
        let client = client.map_err(|fault| CrowdError::Client {
            client: place,
            of,
            fault,
        })?;
        self.epoll
            .add(&client, EpollEvent::new(EpollFlags::EPOLLIN, place as u64))?;
        self.clients.push(client);
        Ok(())
    }

    /// Waits until nothing arrives any more.
    pub fn rest(&mut self) -> Result<(), CrowdError> {
        let start = Instant::now();
        let mut quiet = (self.tally.frames, start);
        while quiet.1.elapsed() < REST && start.elapsed() < TIMEOUT {
            self.turn(quiet.1 + REST)?;
            if self.tally.frames != quiet.0 {
                quiet = (self.tally.frames, Instant::now());
            }
        }
        Ok(())
    }

    /// Publishes until every client receives comments, and a little longer. From a client's first comment on,
    /// none may be missing.
    pub fn warm_up(&mut self) -> Result<(), CrowdError> {
        let start = Instant::now();
        let mut comments = 0;
        while comments < WARM_UP {
            self.publish(Instant::now())?;
            let patience = Instant::now() + Duration::from_secs(5);
            while (!self.all_have_newest() || self.publisher.is_waiting())
                && Instant::now() < patience
            {
                self.turn(patience)?;
            }
            comments += usize::from(self.all_have_newest());
            if start.elapsed() > TIMEOUT {
                return Err(CrowdError::NotJoined {
                    joined: self.tally.have_newest,
                    of: self.clients.len(),
                });
            }
        }
        Ok(())
    }

    /// Publishes at a fixed pace, whether or not the server keeps up (an open loop). A delivery's latency
    /// counts from the time at which its comment was due to be sent.
    pub fn steady(&mut self, comments: u32, pace: f64) -> Result<Delivered, CrowdError> {
        let start = Instant::now() + Duration::from_millis(20);
        let mut due =
            (0..comments).map(|place| start + Duration::from_secs_f64(f64::from(place) / pace));
        let mut next = due.next();
        let each = comments as usize * self.clients.len().div_ceil(self.nodes.len());
        let latencies = self.nodes.iter().map(|_| Vec::with_capacity(each));
        self.tally.latencies = Some(latencies.collect());
        let before = self.tally.deliveries;
        let expected = u64::from(comments) * self.clients.len() as u64;
        let end = start + Duration::from_secs_f64(f64::from(comments) / pace) + TIMEOUT;
        loop {
            // Comments are sent one after another, so their order is known. A comment that waits for the last
            // answer is late, and its latency shows it.
            if let Some(at) = next
                && at <= Instant::now()
                && !self.publisher.is_waiting()
            {
                self.publish(at)?;
                next = due.next();
            }
            let delivered = self.tally.deliveries - before;
            if next.is_none() && delivered >= expected && !self.publisher.is_waiting() {
                break;
            }
            self.check_timeout(end, expected - delivered.min(expected), expected)?;
            self.turn(match next {
                Some(at) if !self.publisher.is_waiting() => at,
                _ => end,
            })?;
        }
        self.delivered(before, start)
    }

    /// Publishes the next comment as soon as all clients have the last one, for `duration`.
    pub fn saturate(&mut self, duration: Duration) -> Result<Delivered, CrowdError> {
        let start = Instant::now();
        let before = self.tally.deliveries;
        let all = self.clients.len() as u64;
        while start.elapsed() < duration {
            self.publish(Instant::now())?;
            let end = Instant::now() + TIMEOUT;
            while !self.all_have_newest() || self.publisher.is_waiting() {
                self.check_timeout(end, all - self.tally.have_newest as u64, all)?;
                self.turn(end)?;
            }
        }
        self.delivered(before, start)
    }

    /// Returns the mean length of the messages that carried the comments.
    pub fn message_bytes(&self) -> f64 {
        self.tally.message_bytes as f64 / self.tally.deliveries as f64
    }

    fn delivered(&mut self, before: u64, start: Instant) -> Result<Delivered, CrowdError> {
        let elapsed = start.elapsed();
        let mut latencies = self.tally.latencies.take().unwrap_or_default();
        latencies.iter_mut().for_each(|node| node.sort_unstable());
        Ok(Delivered {
            deliveries: self.tally.deliveries - before,
            elapsed,
            latencies,
        })
    }

    fn all_have_newest(&self) -> bool {
        self.tally.have_newest == self.clients.len()
    }

    fn check_timeout(&self, end: Instant, missing: u64, due: u64) -> Result<(), CrowdError> {
        if Instant::now() < end {
            return Ok(());
        }
        Err(CrowdError::Lost { missing, due })
    }

    fn publish(&mut self, due: Instant) -> Result<(), CrowdError> {
        let number = self.tally.announce(due);
        Ok(self.publisher.send(&self.publication.request(number))?)
    }

    /// Processes what has arrived, and waits for it until `until` at the latest.
    fn turn(&mut self, until: Instant) -> Result<(), CrowdError> {
        self.interrupt.check()?;
        // Rounded down, so the last part of a millisecond is spent polling and no comment is sent late.
        let wait = until.saturating_duration_since(Instant::now()).as_millis();
        let wait = EpollTimeout::from(u16::try_from(wait.min(1000)).unwrap_or_default());
        let ready = match self.epoll.wait(&mut self.events, wait) {
            Ok(ready) => ready,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        for event in &self.events[..ready] {
            if event.data() == PUBLISHER {
                if let Some(response) = self.publisher.receive(&mut self.buffer)? {
                    response.accepted()?;
                }
                continue;
            }
            let place = usize::try_from(event.data()).unwrap_or_default();
            let read = self.clients[place].read(
                &mut self.buffer,
                &self.protocol,
                &self.numbers,
                &mut self.tally,
            );
            if let Err(fault) = read {
                return Err(CrowdError::Client {
                    client: place,
                    of: self.clients.len(),
                    fault,
                });
            }
        }
        Ok(())
    }
}
