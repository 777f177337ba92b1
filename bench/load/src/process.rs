//! A server as a process: started, measured from outside, and ended whatever happens.

use std::{
    fs,
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    time::{ClockId, clock_getcpuclockid},
    unistd::Pid,
};

/// How long a server may take to start, and to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a server did not start, or could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("{0}: {1}")]
    Start(String, io::Error),
    #[error("it did not say where it listens; it said:\n{0}")]
    Silent(String),
    #[error("it cannot be measured: {0}")]
    Measure(String),
}

/// A running server. It ends when this is dropped, and when this process ends.
#[derive(Debug)]
pub struct Process {
    child: Child,
    clock: ClockId,
    log: PathBuf,
}

impl Process {
    /// Starts a server that prints `listening on http://…` when it is ready. What it writes to standard
    /// error goes into a file in `folder`.
    pub fn start(server: &Command, folder: &Path) -> Result<(Self, SocketAddr), ProcessError> {
        let mut process = Self::spawn(server, folder)?;
        let output = process.child.stdout.take();
        let (sender, receiver) = mpsc::sync_channel(1);
        thread::spawn(move || {
            let lines = output.map(|output| BufReader::new(output).lines());
            for line in lines.into_iter().flatten().map_while(Result::ok) {
                let address = line.strip_prefix("listening on http://").map(str::parse);
                if let Some(Ok(address)) = address {
                    let _ = sender.try_send(address);
                }
            }
        });
        match receiver.recv_timeout(PATIENCE) {
            Ok(address) => Ok((process, address)),
            Err(_) => Err(ProcessError::Silent(process.last_words())),
        }
    }

    /// Starts a program that has its own way of saying that it is ready, which `is_ready` sees. What it
    /// writes to standard error goes into a file in `folder`.
    pub fn start_silent(
        program: &Command,
        folder: &Path,
        mut is_ready: impl FnMut(&Self) -> bool,
    ) -> Result<Self, ProcessError> {
        let process = Self::spawn(program, folder)?;
        let start = Instant::now();
        while !is_ready(&process) {
            if start.elapsed() > PATIENCE {
                return Err(ProcessError::Silent(process.last_words()));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(process)
    }

    fn spawn(server: &Command, folder: &Path) -> Result<Self, ProcessError> {
        let program = server.get_program().to_string_lossy().into_owned();
        let failed = |error| ProcessError::Start(program.clone(), error);
        let log = folder.join("stderr.log");
        // The kernel ends it should this process be killed; the program takes setpriv's place.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(server.get_program());
        command.args(server.get_args());
        for (name, value) in server.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log).map_err(failed)?)
            .spawn()
            .map_err(failed)?;
        let pid = Pid::from_raw(child.id().cast_signed());
        let clock = clock_getcpuclockid(pid);
        Ok(Self {
            child,
            clock: clock.map_err(|error| ProcessError::Measure(error.to_string()))?,
            log,
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The CPU time of all its threads so far, user and system, of those that have ended too.
    pub fn cpu(&self) -> Result<Duration, ProcessError> {
        let now = self.clock.now();
        let now = now.map_err(|error| ProcessError::Measure(error.to_string()))?;
        Ok(now.into())
    }

    /// Its resident memory in bytes.
    pub fn resident(&self) -> Result<u64, ProcessError> {
        let failed = |error: String| ProcessError::Measure(error);
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let maps = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        maps.lines()
            .find_map(|line| {
                line.strip_prefix("Rss:")?
                    .trim()
                    .strip_suffix(" kB")?
                    .parse()
                    .ok()
            })
            .map(|kilobytes: u64| kilobytes * 1024)
            .ok_or_else(|| failed("no Rss".into()))
    }

    /// The end of what it wrote to standard error.
    pub fn last_words(&self) -> String {
        let words = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = words.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    /// Asks it to end in good order, and waits until it has.
    pub fn stop(mut self) {
        let _ = kill(
            Pid::from_raw(self.child.id().cast_signed()),
            Signal::SIGTERM,
        );
        let start = Instant::now();
        while start.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The CPU time of this process so far.
pub fn own_cpu() -> Duration {
    let now = ClockId::CLOCK_PROCESS_CPUTIME_ID.now();
    now.map(Duration::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_server_is_measured_and_ends_with_its_guard() {
        let folder = tempfile::tempdir().unwrap();
        let script = "echo listening on http://127.0.0.1:1; while :; do :; done";
        let (process, address) = Process::start(&shell(script), folder.path()).unwrap();
        assert_eq!(address.port(), 1);
        let before = process.cpu().unwrap();
        while process.cpu().unwrap() < before + Duration::from_millis(20) {}
        assert!(process.resident().unwrap() > 4096);
        let folder = PathBuf::from(format!("/proc/{}", process.child.id()));
        assert!(folder.exists());
        drop(process);
        assert!(!folder.exists());
    }

    #[test]
    fn one_that_fails_is_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let failure = Process::start(&shell("echo no such port >&2; exit 1"), folder.path());
        assert!(failure.unwrap_err().to_string().contains("no such port"));
    }
}
