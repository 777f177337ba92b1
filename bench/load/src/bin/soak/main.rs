//! The soak: readers connect, follow a post and leave in every way, abrupt ones included, while comments are
//! written. At the end no state may remain, and nothing may have grown.

mod grave;
mod life;
mod line;
mod measure;
mod writer;

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use load::{
    interrupt::Interrupt,
    server::{Programs, Server},
};
use parking_lot::Mutex;

use crate::measure::{Meter, Verdict};

/// Runs readers that come and go for a while, and checks that the server forgets them.
#[derive(Parser)]
#[command(name = "soak")]
struct Options {
    /// Minutes for which readers come and go; at least three.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(3..))]
    minutes: u32,
    /// Number of concurrent readers, in addition to the silent ones.
    #[arg(long, default_value_t = 200)]
    readers: u64,
    /// Number of comments written a second.
    #[arg(long, default_value_t = 40)]
    comments: u32,
    /// Another build of the server.
    #[arg(long, env = "CAUSERIE_BIN")]
    causerie: Option<PathBuf>,
}

/// The interval of progress lines.
const TELL_EVERY: Duration = Duration::from_secs(60);

type Failure = Box<dyn std::error::Error>;

/// The number of posts. Comments go to them in turn.
const POSTS: usize = 20;
/// The time within which the server must forget the last reader.
const EMPTY_WITHIN: Duration = Duration::from_secs(60);

/// The state that all threads share.
struct World {
    address: SocketAddr,
    until: Instant,
    tally: Tally,
    /// The first failure, which ends the run.
    fault: Mutex<Option<String>>,
}

/// Counters of the run so far.
#[derive(Default)]
struct Tally {
    lives: AtomicU64,
    resumed: AtomicU64,
    comments: AtomicU64,
    silent: AtomicU64,
    forgotten: AtomicU64,
    /// The number of operations refused because the database was unavailable.
    unavailable: AtomicU64,
    /// The number of lives that ended in each way, in the order of `Manner::ALL`.
    manners: [AtomicU64; life::MANNERS],
    /// The number of the newest comment.
    written: AtomicU32,
}

impl World {
    fn is_over(&self) -> bool {
        Instant::now() >= self.until || self.fault.lock().is_some()
    }

    fn fail(&self, fault: impl ToString) {
        self.fault.lock().get_or_insert_with(|| fault.to_string());
    }
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<bool, Failure> {
    let interrupt = Interrupt::listen()?;
    let folder = std::env::current_exe()?;
    let folder = folder.parent().ok_or("no folder")?.to_owned();
    let programs = Programs {
        causerie: options
            .causerie
            .clone()
            .unwrap_or_else(|| folder.join("causerie")),
        node: PathBuf::new(),
        folder,
    };
    let server = programs.start(Server::Causerie)?;
    let writer = writer::Writer::new(server.node.address(), programs.token(1)?)?;
    let mut meter = Meter::new(server.node.address());
    let before = meter.read()?;

    let length = Duration::from_secs(60) * options.minutes;
    let start = Instant::now();
    let world = Arc::new(World {
        address: server.node.address(),
        until: start + length,
        tally: Tally::default(),
        fault: Mutex::new(None),
    });
    let (bury, graves) = mpsc::channel();
    let mut threads = vec![
        in_thread(&world, move |world| grave::keep(world, &graves)),
        in_thread(&world, {
            let pace = Duration::from_secs(1) / options.comments.max(1);
            move |world| writer.write(world, pace)
        }),
    ];
    for number in 0..options.readers {
        let bury = bury.clone();
        threads.push(in_thread(&world, move |world| {
            life::live_repeatedly(world, number, &bury)
        }));
    }
    drop(bury);
    let mut told = Duration::ZERO;
    while !world.is_over() {
        interrupt.check()?;
        let reading = meter.sample(start.elapsed())?;
        if reading.at >= told + TELL_EVERY {
            told = reading.at;
            eprintln!("{reading}");
        }
        thread::sleep(Duration::from_secs(1));
    }
    for thread in threads {
        thread.join().map_err(|_| "a thread panicked")?;
    }
    let after = meter.wait_until_empty(EMPTY_WITHIN)?;
    let failures = meter.failures()?;
    let verdict = Verdict {
        length,
        samples: meter.samples(),
        before,
        after,
        failures,
        fault: world.fault.lock().clone(),
    };
    println!("{}", describe(&world.tally));
    println!("{verdict}");
    server.stop();
    Ok(verdict.is_good())
}

fn in_thread<W>(world: &Arc<World>, work: W) -> thread::JoinHandle<()>
where
    W: FnOnce(&World) -> Result<(), line::Fault> + Send + 'static,
{
    let world = Arc::clone(world);
    thread::spawn(move || {
        if let Err(fault) = work(&world) {
            world.fail(fault);
        }
    })
}

fn describe(tally: &Tally) -> String {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let manners: Vec<String> = life::Manner::ALL
        .iter()
        .map(|manner| {
            let many = count(&tally.manners[*manner as usize]);
            format!("{many} {}", manner.words())
        })
        .collect();
    format!(
        "{} readers came, {} of them where they had left off; {}.\n\
         {} comments were written, and {} were read, each in its order.\n\
         {} sockets that fell silent were looked at after {} s: {} were closed.\n\
         {} times the database was not to be had in time.",
        count(&tally.lives),
        count(&tally.resumed),
        manners.join(", "),
        tally.written.load(Ordering::Relaxed),
        count(&tally.comments),
        count(&tally.silent),
        grave::FORGOTTEN_WITHIN.as_secs(),
        count(&tally.forgotten),
        count(&tally.unavailable),
    )
}
