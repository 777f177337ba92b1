//! A PostgreSQL of one test, with PostgreSQL's default durability.

use std::{
    net::{SocketAddr, TcpListener},
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::{
    sys::signal::Signal,
    unistd::{Uid, User},
};
use tempfile::TempDir;

use super::{
    program::{Program, command, find},
    waiting::wait_until,
};

/// Debian's folder of installed versions.
const VERSIONS: &str = "/usr/lib/postgresql";
const USER: &str = "causerie";
/// The user that PostgreSQL runs as if the tests run as root, because it refuses to run as root.
const OWNER: &str = "postgres";

/// The one database of a cluster.
pub(crate) struct Postgres {
    program: Option<Program>,
    address: SocketAddr,
    programs: Vec<PathBuf>,
    data: TempDir,
    logs: PathBuf,
}

impl Postgres {
    /// Creates a database in its own folder and starts it on a free port.
    pub(crate) async fn start(logs: &Path) -> Self {
        let data = tempfile::tempdir().expect("a folder");
        if Uid::effective().is_root() {
            let owner = User::from_name(OWNER).expect("a list of users");
            let owner = owner.unwrap_or_else(|| panic!("no user {OWNER}"));
            chown(
                data.path(),
                Some(owner.uid.as_raw()),
                Some(owner.gid.as_raw()),
            )
            .expect("its folder");
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut postgres = Self {
            program: None,
            address: listener.local_addr().expect("an address"),
            programs: programs(),
            data,
            logs: logs.to_owned(),
        };
        let made = postgres
            .command("initdb")
            .args([
                "--auth=trust",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
                "--username",
                USER,
                "--pgdata",
            ])
            .arg(postgres.data.path().join("data"))
            .output()
            .expect("initdb");
        assert!(made.status.success(), "{made:?}");
        drop(listener);
        postgres.start_again().await;
        postgres
    }

    /// Returns the URL for nodes.
    pub(crate) fn url(&self) -> String {
        format!("postgres://{USER}@{}/postgres", self.address)
    }

    /// Runs a readiness check as a container does, with the address in the environment only.
    pub(crate) fn is_ready(&self, check: &[String]) -> bool {
        let asked = Command::new(find(&check[0], &self.programs))
            .args(&check[1..])
            .env("PGHOST", self.address.ip().to_string())
            .env("PGPORT", self.address.port().to_string())
            .stdin(Stdio::null())
            .status();
        asked.expect("an end").success()
    }

    /// Stops PostgreSQL like a crash: it neither waits for clients nor flushes.
    pub(crate) async fn stop_immediately(&mut self) {
        let mut program = self.program.take().expect("it runs");
        program.signal(Signal::SIGQUIT);
        program.ended().await;
    }

    /// Starts PostgreSQL on the same port, and waits until it accepts connections.
    pub(crate) async fn start_again(&mut self) {
        let mut postgres = self.command("postgres");
        postgres
            .arg("-D")
            .arg(self.data.path().join("data"))
            .args(["-p", &self.address.port().to_string()])
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories="])
            .args(["-c", "fsync=on", "-c", "synchronous_commit=on"]);
        let mut program = Program::start("postgres", &self.logs, &mut postgres);
        let check = ["pg_isready", "-q"].map(str::to_owned);
        wait_until("PostgreSQL takes connections", || {
            program.still_runs();
            let ready = self.is_ready(&check);
            std::future::ready(ready.then_some(()).ok_or("it takes none"))
        })
        .await;
        self.program = Some(program);
    }

    /// Returns a command for one of PostgreSQL's programs, as a user that it accepts.
    fn command(&self, program: &str) -> Command {
        let program = find(program, &self.programs);
        if !Uid::effective().is_root() {
            return command(program);
        }
        // The user must be set first, because the kernel resets the death signal when the user changes.
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", OWNER, "--regid", OWNER, "--init-groups", "--"])
            .args(["setpriv", "--pdeathsig", "KILL", "--"])
            .arg(program)
            .current_dir(self.data.path());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let Some(mut program) = self.program.take() else {
            return;
        };
        // PostgreSQL's own shutdown ends its child processes and frees its shared memory. A kill would not.
        program.signal(Signal::SIGCONT);
        program.signal(Signal::SIGQUIT);
        program.wait();
    }
}

/// Returns the newest version's folder, followed by the folders of the path.
fn programs() -> Vec<PathBuf> {
    let versions = std::fs::read_dir(VERSIONS).into_iter().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| {
            let version = version.ok()?;
            let number = version.file_name().to_str()?.parse().ok()?;
            Some((number, version.path().join("bin")))
        })
        .collect();
    versions.sort();
    let newest_first = versions.into_iter().rev().map(|(_, folder)| folder);
    newest_first.chain(super::program::path()).collect()
}
