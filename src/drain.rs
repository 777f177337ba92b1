//! Going down without a stampede: whatever goes on until its client goes (a socket, a stream of
//! results) is given a moment of its own to end in.
//!
//! Were all ended at once, all clients would be back at once, at whatever server is left. So the
//! moments are spread evenly over a window, in an order that nobody can foretell.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use indexmap::IndexMap;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// How one server goes down. Cloning it gives the same.
#[derive(Clone, Debug)]
pub struct Drain {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    has_begun: AtomicBool,
    /// The end of everything: every moment has come.
    end: CancellationToken,
    guests: Mutex<Guests>,
    /// Nobody is there any more, nor will be.
    is_empty: Notify,
}

#[derive(Debug)]
struct Guests {
    /// The moment of each.
    moments: IndexMap<u64, CancellationToken>,
    next_id: u64,
    /// Nobody is taken in any more.
    is_closed: bool,
}

/// One thing that goes on until its moment comes. Dropping it says that it has ended by itself.
#[derive(Debug)]
pub struct Guest {
    drain: Drain,
    id: u64,
    moment: CancellationToken,
}

impl Drain {
    /// Nobody is there, and nothing has begun. Where `end` is cancelled everybody's moment has come.
    pub fn new(end: CancellationToken) -> Self {
        Self {
            shared: Arc::new(Shared {
                has_begun: AtomicBool::new(false),
                end,
                guests: Mutex::new(Guests {
                    moments: IndexMap::new(),
                    next_id: 0,
                    is_closed: false,
                }),
                is_empty: Notify::new(),
            }),
        }
    }

    /// Takes in something that goes on; `None` where it would be sent away at once.
    pub fn enter(&self) -> Option<Guest> {
        let mut guests = self.shared.guests.lock();
        if guests.is_closed {
            return None;
        }
        let id = guests.next_id;
        guests.next_id += 1;
        let moment = self.shared.end.child_token();
        guests.moments.insert(id, moment.clone());
        drop(guests);
        Some(Guest {
            drain: self.clone(),
            id,
            moment,
        })
    }

    /// Says that the server is about to go down. Everything goes on as before.
    pub fn begin(&self) {
        self.shared.has_begun.store(true, Ordering::Release);
    }

    /// Whether the server is about to go down: nobody new should be sent to it.
    pub fn has_begun(&self) -> bool {
        self.shared.has_begun.load(Ordering::Acquire)
    }

    /// Takes in nothing more, and ends what is there over `window`: in a random order, and evenly, so
    /// that of `n` at most `n / window` end in any time. Returns when every moment has come, which is
    /// sooner than the window where all ended by themselves.
    pub async fn spread(&self, window: Duration) {
        self.begin();
        let mut waiting: Vec<u64> = {
            let mut guests = self.shared.guests.lock();
            guests.is_closed = true;
            guests.moments.keys().copied().collect()
        };
        fastrand::shuffle(&mut waiting);
        let all = u32::try_from(waiting.len()).unwrap_or(u32::MAX);
        let start = Instant::now();
        for (number, id) in (0..all).zip(waiting) {
            let Some(moment) = self.moment_of(id) else {
                continue;
            };
            let wait = window.as_secs_f64() * f64::from(number) / f64::from(all);
            tokio::select! {
                () = sleep_until(start + Duration::from_secs_f64(wait)) => moment.cancel(),
                () = self.shared.is_empty.notified() => return,
                () = self.shared.end.cancelled() => return,
            }
        }
    }

    fn moment_of(&self, id: u64) -> Option<CancellationToken> {
        self.shared.guests.lock().moments.get(&id).cloned()
    }
}

impl Guest {
    /// Waits for the moment to end.
    pub async fn moment(&self) {
        self.moment.cancelled().await;
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let shared = &self.drain.shared;
        let mut guests = shared.guests.lock();
        guests.moments.swap_remove(&self.id);
        if guests.is_closed && guests.moments.is_empty() {
            shared.is_empty.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    fn drain() -> Drain {
        Drain::new(CancellationToken::new())
    }

    /// When each guest's moment came, in the order in which they came in.
    async fn moments(drain: &Drain, guests: Vec<Guest>) -> Vec<Duration> {
        let start = Instant::now();
        let all = guests.into_iter().map(async |guest| {
            guest.moment().await;
            start.elapsed()
        });
        let (moments, ()) = tokio::join!(futures_util::future::join_all(all), drain.spread(WINDOW));
        moments
    }

    #[tokio::test(start_paused = true)]
    async fn moments_are_spread_evenly_over_the_window() {
        let drain = drain();
        let guests = (0..1000).filter_map(|_| drain.enter()).collect();
        let mut moments = moments(&drain, guests).await;
        moments.sort();
        assert_eq!(moments.len(), 1000);
        for second in 0..10 {
            let (from, to) = (Duration::from_secs(second), Duration::from_secs(second + 1));
            let ended = moments.iter().filter(|&&at| at >= from && at < to).count();
            // The clock has milliseconds.
            assert!((98..=102).contains(&ended), "{ended} in second {second}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_order_is_not_that_of_coming() {
        let drain = drain();
        let guests = (0..100).filter_map(|_| drain.enter()).collect();
        let moments = moments(&drain, guests).await;
        assert!(!moments.is_sorted());
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_is_alone_does_not_wait_and_no_window_means_all_at_once() {
        let alone = drain();
        let guest = alone.enter().unwrap();
        assert_eq!(moments(&alone, vec![guest]).await, [Duration::ZERO]);

        let drain = drain();
        let guests: Vec<_> = (0..100).filter_map(|_| drain.enter()).collect();
        let start = Instant::now();
        drain.spread(Duration::ZERO).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert!(guests.iter().all(|guest| guest.moment.is_cancelled()));
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_have_gone_are_not_waited_for() {
        let drain = drain();
        let guests: Vec<_> = (0..100).filter_map(|_| drain.enter()).collect();
        let start = Instant::now();
        let leaving = async {
            tokio::time::sleep(WINDOW / 2).await;
            drop(guests);
        };
        tokio::join!(drain.spread(WINDOW), leaving);
        assert_eq!(start.elapsed(), WINDOW / 2);
        assert!(drain.shared.guests.lock().moments.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_taken_in_once_the_first_is_sent_away() {
        let drain = drain();
        drain.begin();
        assert!(drain.has_begun() && drain.enter().is_some());
        drain.spread(WINDOW).await;
        assert!(drain.enter().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_everything_does_not_wait_for_the_window() {
        let end = CancellationToken::new();
        let drain = Drain::new(end.clone());
        let guests: Vec<_> = (0..3).filter_map(|_| drain.enter()).collect();
        let start = Instant::now();
        let ending = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            end.cancel();
        };
        tokio::join!(drain.spread(WINDOW), ending);
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        assert!(guests.iter().all(|guest| guest.moment.is_cancelled()));
    }
}
