//! A program that a test starts. It ends with the test: by its guard, or by the kernel if the test's process
//! is killed.

use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::waiting::wait_until;

/// The number of log lines shown when a test fails.
const LAST_LINES: usize = 60;

/// Returns a command that the kernel kills when this process ends. `setpriv` arranges that, and then replaces
/// itself by the program.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Returns the folders of this process's path, and those that only root's path has.
pub(crate) fn path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/local/sbin", "/usr/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(more).collect()
}

/// Returns the path of the program in the first of these folders that has it.
pub(crate) fn find(program: &str, folders: &[PathBuf]) -> PathBuf {
    let mut found = folders.iter().map(|folder| folder.join(program));
    found
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("no {program} in {folders:?}: ./scripts/test installs it"))
}

/// A running program and its log.
pub(crate) struct Program {
    name: String,
    child: Child,
    log: PathBuf,
    /// The offset in the log at which this run of the program begins.
    start_of_log: u64,
}

impl Program {
    /// Starts the program. Its output is appended to a log of its name in this folder.
    pub(crate) fn start(name: &str, folder: &Path, command: &mut Command) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = OpenOptions::new().create(true).append(true).open(&log);
        let file = file.expect("a log");
        let start_of_log = file.metadata().expect("a size").len();
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("the log"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self {
            name: name.to_owned(),
            child,
            log,
            start_of_log,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the output of this run.
    pub(crate) fn said(&self) -> String {
        let mut file = File::open(&self.log).expect("a log");
        file.seek(SeekFrom::Start(self.start_of_log))
            .expect("a place");
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).expect("a log");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Panics if the program has ended by itself.
    pub(crate) fn still_runs(&mut self) {
        if let Some(status) = self.child.try_wait().expect("a status") {
            panic!("{} has ended ({status}): {}", self.name, self.said());
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("a process that runs");
    }

    /// Kills the program and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("a status");
    }

    /// Blocks until the program has ended, for callers that cannot await.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("a status")
    }

    /// Waits until the program has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until(&format!("{} ends", self.name), || {
            status = self.child.try_wait().expect("a status");
            std::future::ready(status.map(|_| ()).ok_or("it still runs"))
        })
        .await;
        status.expect("a status")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // These calls fail only if the program has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let said = self.said();
            let lines: Vec<&str> = said.lines().collect();
            let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
            eprintln!("---- {}, its last lines:\n{}", self.name, last.join("\n"));
        }
    }
}
