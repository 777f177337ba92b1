//! The server's `/metrics`, and the verdict based on them.

use std::{
    fmt,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use load::http::{Connection, HttpError};

/// The part of the run that is ignored while caches fill and the allocator finds its size. The minimum lasts
/// until all silent readers exist and every database connection has filled its cache.
const WARM_UP: (f64, Duration) = (0.25, Duration::from_secs(90));
/// The growth allowed from the first to the last third of the rest, by their medians.
const TOLERANCE: f64 = 0.10;
/// The number of descriptors that may be open at the end beyond those before the first reader: database
/// connections, which are opened on demand.
const MORE_FILES: f64 = 16.0;

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// The values at one moment.
#[derive(Clone, Copy)]
pub struct Reading {
    pub at: Duration,
    resident: f64,
    files: f64,
    rooms: f64,
    members: f64,
    connections: f64,
}

/// A client of the server's metrics.
pub struct Meter {
    address: SocketAddr,
    samples: Vec<Reading>,
}

impl Meter {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            samples: Vec::new(),
        }
    }

    pub fn samples(&self) -> &[Reading] {
        &self.samples
    }

    /// Reads the values and stores them.
    pub fn sample(&mut self, at: Duration) -> Result<Reading, HttpError> {
        let reading = self.read()?;
        let reading = Reading { at, ..reading };
        self.samples.push(reading);
        Ok(reading)
    }

    pub fn read(&self) -> Result<Reading, HttpError> {
        let text = self.text()?;
        Ok(Reading {
            at: Duration::ZERO,
            resident: sum(&text, "process_resident_memory_bytes", ""),
            files: sum(&text, "process_open_fds", ""),
            rooms: sum(&text, "causerie_rooms", ""),
            members: sum(&text, "causerie_members", ""),
            connections: sum(&text, "causerie_connections", ""),
        })
    }

    /// Returns the number of operations that failed with an internal error.
    pub fn failures(&self) -> Result<f64, HttpError> {
        let label = "code=\"INTERNAL_SERVER_ERROR\"";
        Ok(sum(&self.text()?, "causerie_operations_total", label))
    }

    /// Waits until no reader is left, for `most` at the longest, and returns the last reading.
    pub fn wait_until_empty(&self, most: Duration) -> Result<Reading, HttpError> {
        let until = Instant::now() + most;
        loop {
            let reading = self.read()?;
            if reading.is_empty() || Instant::now() >= until {
                return Ok(reading);
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Opens a new connection each time, because an idle one is closed.
    fn text(&self) -> Result<String, HttpError> {
        let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let response = Connection::open(self.address)?.call(request)?;
        Ok(String::from_utf8_lossy(&response.body).into_owned())
    }
}

impl Reading {
    fn is_empty(&self) -> bool {
        self.rooms + self.members + self.connections == 0.0
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:3.0} min: {:.1} MiB, {} open files, {} rooms, {} members",
            self.at.as_secs_f64() / 60.0,
            self.resident / MEBIBYTE,
            self.files,
            self.rooms,
            self.members
        )
    }
}

/// Returns the sum of a metric's values whose labels contain `label`.
fn sum(text: &str, name: &str, label: &str) -> f64 {
    let lines = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        (labels.is_empty() || labels.starts_with('{')).then_some((labels, value))
    });
    lines
        .filter(|(labels, _)| labels.contains(label))
        .filter_map(|(_, value)| value.parse::<f64>().ok())
        .sum()
}

/// The verdict on a run.
pub struct Verdict<'a> {
    pub length: Duration,
    pub samples: &'a [Reading],
    pub before: Reading,
    pub after: Reading,
    pub failures: f64,
    pub fault: Option<String>,
}

impl Verdict<'_> {
    pub fn is_good(&self) -> bool {
        self.checks().iter().all(|(is_good, _)| *is_good)
    }

    fn checks(&self) -> Vec<(bool, String)> {
        let after = &self.after;
        let (memory_first, memory_last) = self.thirds(|reading| reading.resident / MEBIBYTE);
        let (files_first, files_last) = self.thirds(|reading| reading.files);
        let percent = TOLERANCE * 100.0;
        vec![
            (
                self.fault.is_none(),
                format!(
                    "nobody lost anything or was ended without cause{}",
                    self.fault
                        .iter()
                        .fold(String::new(), |_, fault| format!(": {fault}"))
                ),
            ),
            (
                self.failures == 0.0,
                format!(
                    "{} operations failed for a reason of the server's own",
                    self.failures
                ),
            ),
            (
                after.is_empty(),
                format!(
                    "in the end {} rooms, {} members, {} connections",
                    after.rooms, after.members, after.connections
                ),
            ),
            (
                is_flat(memory_first, memory_last),
                format!(
                    "memory: {memory_first:.1} MiB in the first third after the warm-up, \
                     {memory_last:.1} MiB in the last (at most {percent} % more); \
                     {:.1} MiB before, {:.1} MiB in the end",
                    self.before.resident / MEBIBYTE,
                    after.resident / MEBIBYTE
                ),
            ),
            (
                is_flat(files_first, files_last),
                format!(
                    "open files: {files_first} in the first third, {files_last} in the last \
                     (at most {percent} % more)"
                ),
            ),
            (
                after.files <= self.before.files + MORE_FILES,
                format!(
                    "open files: {} before, {} in the end (at most {MORE_FILES} more)",
                    self.before.files, after.files
                ),
            ),
        ]
    }

    /// Returns the medians of the first and the last third after the warm-up.
    fn thirds(&self, value: impl Fn(&Reading) -> f64) -> (f64, f64) {
        let (part, least) = WARM_UP;
        let start = self.length.mul_f64(part).max(least).min(self.length);
        let third = (self.length - start) / 3;
        let between = |from: Duration, to: Duration| {
            let within = self.samples.iter().filter(|of| of.at >= from && of.at < to);
            median(within.map(&value).collect())
        };
        (
            between(start, start + third),
            between(start + third * 2, self.length),
        )
    }
}

/// Returns false if a value is missing, because nothing measured is not flat.
fn is_flat(first: f64, last: f64) -> bool {
    last <= first * (1.0 + TOLERANCE)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = |value: fn(&Reading) -> f64| {
            let values = self.samples.iter().map(value);
            values.fold(0.0, f64::max)
        };
        writeln!(
            formatter,
            "At most {} rooms, {} members and {} connections at once, in {:.1} minutes.",
            most(|of| of.rooms),
            most(|of| of.members),
            most(|of| of.connections),
            self.length.as_secs_f64() / 60.0
        )?;
        for (is_good, text) in self.checks() {
            let word = if is_good { "ok    " } else { "FAILED" };
            writeln!(formatter, "{word} {text}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP causerie_rooms posts\ncauserie_rooms 3\ncauserie_rooms_other 9\n\
        causerie_connections{transport=\"sse\"} 2\ncauserie_connections{transport=\"websocket\"} 5\n";

    #[test]
    fn metric_values_are_summed_over_labels() {
        assert_eq!(sum(TEXT, "causerie_rooms", ""), 3.0);
        assert_eq!(sum(TEXT, "causerie_connections", ""), 7.0);
        assert_eq!(sum(TEXT, "causerie_connections", "transport=\"sse\""), 2.0);
        assert_eq!(sum(TEXT, "nothing", ""), 0.0);
    }

    #[test]
    fn growth_beyond_tolerance_or_no_measurement_is_not_flat() {
        let reading = |second: u64, resident: f64| Reading {
            at: Duration::from_secs(second),
            resident: resident * MEBIBYTE,
            files: 10.0,
            rooms: 0.0,
            members: 0.0,
            connections: 0.0,
        };
        let is_good = |samples: &[Reading]| {
            let verdict = Verdict {
                length: Duration::from_secs(270),
                samples,
                before: reading(0, 1.0),
                after: reading(0, 1.0),
                failures: 0.0,
                fault: None,
            };
            verdict.is_good()
        };
        let growing = |each: f64| -> Vec<Reading> {
            let seconds =
                (0..270_u32).map(|second| reading(second.into(), 100.0 + f64::from(second) * each));
            seconds.collect()
        };
        assert!(is_good(&growing(0.0)));
        assert!(is_good(&growing(0.04)));
        assert!(!is_good(&growing(0.5)));
        assert!(!is_good(&[]));
    }
}
