//! A program that a test starts. It ends with the test: by its guard, or by the kernel if the test's process
//! is killed. It is always ended by its own id.

use std::{
    error::Error,
    ffi::OsStr,
    fmt,
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    time::clock_getcpuclockid,
    unistd::Pid,
};
use tempfile::TempDir;

use crate::wait::block_until;

/// Debian's folder of installed versions of PostgreSQL.
const POSTGRESQL: &str = "/usr/lib/postgresql";
/// The number of lines shown of each output when a test fails.
const LAST_LINES: usize = 60;

/// The failure to start a program or to measure it.
#[derive(Debug)]
pub struct Failure(pub(crate) String);

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Error for Failure {}

/// Returns a command that the kernel kills when the thread that starts it ends. `setpriv` arranges that, and
/// then replaces itself by the program.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Returns the path of an installed program: in the newest PostgreSQL, on this process's path, or in a folder
/// that only root's path has.
pub fn find(program: &str) -> Option<PathBuf> {
    let versions = fs::read_dir(POSTGRESQL).into_iter().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| {
            let version = version.ok()?;
            let number = version.file_name().to_str()?.parse().ok()?;
            Some((number, version.path().join("bin")))
        })
        .collect();
    versions.sort();
    let newest_first = versions.into_iter().rev().map(|(_, folder)| folder);
    let path = std::env::var_os("PATH").unwrap_or_default();
    newest_first
        .chain(std::env::split_paths(&path))
        .chain(["/usr/local/sbin", "/usr/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|path| path.exists())
}

/// Returns the path of a program that must be installed.
pub fn installed(program: &str) -> PathBuf {
    find(program).unwrap_or_else(|| panic!("no {program}: ./scripts/test installs it"))
}

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    output: TempDir,
}

/// The result of a program that ended by itself.
#[derive(Debug)]
pub struct Ended {
    /// The exit status.
    pub status: ExitStatus,
    /// Everything written to standard output.
    pub stdout: String,
    /// Everything written to standard error.
    pub stderr: String,
}

impl Program {
    /// Starts a program. Its output goes to files, so it never waits for a reader.
    pub fn start(name: &str, command: &mut Command) -> Self {
        Self::try_start(name, command).unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// Like [`start`](Self::start), for a program that may be missing.
    pub fn try_start(name: &str, command: &mut Command) -> Result<Self, Failure> {
        let output = tempfile::tempdir().expect("a folder");
        let file = |stream| File::create(output.path().join(stream)).expect("a file");
        let child = command
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .map_err(|error| Failure(format!("{name} does not start: {error}")))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            output,
        })
    }

    /// Returns what was written to standard output so far.
    pub fn stdout(&self) -> String {
        self.written("stdout")
    }

    /// Returns what was written to standard error so far.
    pub fn stderr(&self) -> String {
        self.written("stderr")
    }

    fn written(&self, stream: &str) -> String {
        let bytes = fs::read(self.output.path().join(stream)).expect("a file");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Returns the last lines of standard error.
    pub fn last_errors(&self) -> String {
        last_lines(&self.stderr())
    }

    /// Fails with the program's output if it has ended.
    pub fn check_running(&mut self) -> Result<(), Failure> {
        match self.child.try_wait().expect("a status") {
            Some(status) => {
                let said = self.last_errors() + &self.stdout();
                let failure = format!("{} has ended ({status}): {said}", self.name);
                Err(Failure(failure))
            }
            None => Ok(()),
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("a process that runs");
    }

    /// Kills the program and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("a status");
    }

    /// Asks the program to shut down, and blocks until it has ended. Kills it if it hangs.
    pub fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        let _ = block_until(|| self.has_ended());
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a status").is_some()
    }

    /// Returns the CPU time of all threads so far, user and system, ended threads included.
    pub fn cpu(&self) -> Result<Duration, Failure> {
        let now = clock_getcpuclockid(self.pid()).and_then(|clock| clock.now());
        now.map(Duration::from)
            .map_err(|error| self.unmeasured(&error))
    }

    /// Returns the resident memory in bytes.
    pub fn resident(&self) -> Result<u64, Failure> {
        let maps = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()));
        let maps = maps.map_err(|error| self.unmeasured(&error))?;
        let bytes = kilobytes(&maps, "Rss:").map(|kilobytes| kilobytes * 1024);
        bytes.ok_or_else(|| self.unmeasured(&"no Rss"))
    }

    /// Returns the largest resident memory so far, in bytes.
    pub fn peak(&self) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.map_err(|error| self.unmeasured(&error))?;
        let kilobytes = kilobytes(&status, "VmHWM:");
        let bytes = kilobytes.map(|kilobytes| kilobytes * 1024);
        bytes.ok_or_else(|| self.unmeasured(&"no VmHWM"))
    }

    fn unmeasured(&self, cause: &dyn fmt::Display) -> Failure {
        Failure(format!("{} cannot be measured: {cause}", self.name))
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

/// Returns the number on the line of a file in `/proc` that begins with `name`.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(feature = "clients")]
impl Program {
    /// Runs a program that must end by itself.
    pub async fn run(command: &mut Command) -> Ended {
        let mut program = Self::start(&format!("{command:?}"), command);
        program.ended().await
    }

    /// Waits until the program has ended by itself.
    pub async fn ended(&mut self) -> Ended {
        let what = format!("{} ends", self.name);
        crate::wait::wait_until(&what, async || self.has_ended()).await;
        Ended {
            status: self.child.wait().expect("a status"),
            stdout: self.stdout(),
            stderr: self.stderr(),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // These calls fail only if the program has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            show(&self.name, &self.stdout());
            show(&self.name, &self.stderr());
        }
    }
}

/// Prints the last lines of an output.
pub(crate) fn show(name: &str, output: &str) {
    if !output.is_empty() {
        eprintln!("---- {name}, its last lines:\n{}", last_lines(output));
    }
}

fn last_lines(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut shell = command("sh");
        shell.args(["-c", script]);
        shell
    }

    #[test]
    fn process_is_measured_and_ends_with_its_guard() {
        let program = Program::start("loop", &mut shell("while :; do :; done"));
        let cpu = || program.cpu().expect("a time");
        let before = cpu();
        while cpu() < before + Duration::from_millis(20) {}
        assert!(program.resident().expect("a number") > 4096);
        let folder = format!("/proc/{}", program.child.id());
        assert!(Path::new(&folder).exists());
        drop(program);
        assert!(!Path::new(&folder).exists());
    }

    #[tokio::test]
    async fn result_has_both_outputs_and_the_status() {
        let ended = Program::run(&mut shell("echo out; echo err >&2; exit 3")).await;
        assert_eq!((&*ended.stdout, &*ended.stderr), ("out\n", "err\n"));
        assert_eq!(ended.status.code(), Some(3));
    }
}
