//! A server as a process: started, measured from outside, and always ended.

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

/// Timeout of starting a server, and of stopping it.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The error of starting or measuring a server.
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
    /// Starts a server that prints `listening on http://…` when it is ready. Its standard error goes into a
    /// file in `folder`.
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
        match receiver.recv_timeout(TIMEOUT) {
            Ok(address) => Ok((process, address)),
            Err(_) => Err(ProcessError::Silent(process.stderr_tail())),
        }
    }

    /// Starts a program that reports its readiness in another way, which `is_ready` checks. Its standard
    /// error goes into a file in `folder`.
    pub fn start_silent(
        program: &Command,
        folder: &Path,
        mut is_ready: impl FnMut(&Self) -> bool,
    ) -> Result<Self, ProcessError> {
        let process = Self::spawn(program, folder)?;
        let start = Instant::now();
        while !is_ready(&process) {
            if start.elapsed() > TIMEOUT {
                return Err(ProcessError::Silent(process.stderr_tail()));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(process)
    }

    fn spawn(server: &Command, folder: &Path) -> Result<Self, ProcessError> {
        let program = server.get_program().to_string_lossy().into_owned();
        let failed = |error| ProcessError::Start(program.clone(), error);
        let log = folder.join("stderr.log");
        // The kernel ends the program if this process is killed; setpriv is replaced by it.
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

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the CPU time of all threads so far, user and system, ended threads included.
    pub fn cpu(&self) -> Result<Duration, ProcessError> {
        let now = self.clock.now();
        let now = now.map_err(|error| ProcessError::Measure(error.to_string()))?;
        Ok(now.into())
    }

    /// Returns the resident memory in bytes.
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

    /// Returns the end of what was written to standard error.
    pub fn stderr_tail(&self) -> String {
        let words = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = words.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    /// Asks the process to shut down, and waits until it has ended.
    pub fn stop(mut self) {
        let _ = kill(
            Pid::from_raw(self.child.id().cast_signed()),
            Signal::SIGTERM,
        );
        let start = Instant::now();
        while start.elapsed() < TIMEOUT && matches!(self.child.try_wait(), Ok(None)) {
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

/// Returns the CPU time of this process so far.
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
    fn process_is_measured_and_ends_with_its_guard() {
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
    fn failed_start_quotes_standard_error() {
        let folder = tempfile::tempdir().unwrap();
        let failure = Process::start(&shell("echo no such port >&2; exit 1"), folder.path());
        assert!(failure.unwrap_err().to_string().contains("no such port"));
    }
}
