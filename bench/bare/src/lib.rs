//! Shared code of both loops: opening the database as the server does, and the clocks.

use std::{
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, OpenFlags};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// The error of a loop.
pub type Failure = Box<dyn std::error::Error>;

/// Opens a database created by `causerie migrate`, with the server's connection settings.
pub fn open(path: &Path) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|error| format!("--database: {}: {error}", path.display()))?;
    match connection.query_row("SELECT seq FROM post LIMIT 1", [], |_| Ok(())) {
        Ok(()) | Err(rusqlite::Error::QueryReturnedNoRows) => {}
        Err(error) => {
            let path = path.display();
            let why = format!("--database: {path}: run `causerie migrate` on it first: {error}");
            return Err(why.into());
        }
    }
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    Ok(connection)
}

/// Parses a duration in seconds: more than zero, and at most an hour.
pub fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 3600.0 => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("it must be a number of seconds, more than 0 and at most 3600".to_owned()),
    }
}

/// Returns the milliseconds since 1970.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// The result of a loop.
#[derive(Debug, Serialize)]
pub struct Report {
    operations: u64,
    seconds: f64,
    cpu_seconds: f64,
}

/// Repeats `operation` for `length` and counts.
pub fn run(
    length: Duration,
    mut operation: impl FnMut() -> Result<(), Failure>,
) -> Result<Report, Failure> {
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let mut operations = 0;
    while start.elapsed() < length {
        operation()?;
        operations += 1;
    }
    Ok(Report {
        operations,
        seconds: start.elapsed().as_secs_f64(),
        cpu_seconds: cpu_seconds() - cpu,
    })
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
    .as_secs_f64()
}

/// Prints the result as JSON, or the error.
pub fn finish(result: Result<impl Serialize, Failure>) -> std::process::ExitCode {
    let line = result.and_then(|result| Ok(serde_json::to_string(&result)?));
    match line {
        Ok(line) => {
            println!("{line}");
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}
