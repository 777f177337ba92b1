//! A PostgreSQL with databases for tests. It keeps its port across restarts.

use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Mutex,
};

use crate::{
    port::free_port,
    process::{installed, show},
};

/// Its superuser, who needs no password.
const USER: &str = "causerie";

/// A PostgreSQL of the tests. It ends with this value or with the process, and leaves nothing.
#[derive(Debug)]
pub struct Postgres {
    address: SocketAddr,
    folder: PathBuf,
    supervisor: Mutex<Supervisor>,
    /// The databases, each with the folder that it lives as long as.
    databases: Mutex<Vec<(PathBuf, String)>>,
}

#[derive(Debug)]
struct Supervisor {
    process: Child,
    /// `None` once the supervisor was told to end.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// The manner of a shutdown.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// Transactions are rolled back, and everything is flushed.
    Fast,
    /// A crash: it neither waits for clients nor flushes.
    Immediate,
}

impl Postgres {
    /// Starts PostgreSQL with options such as `-c fsync=off`.
    pub fn start(settings: &str) -> Self {
        Self::launch(settings, &std::env::temp_dir(), "--no-sync")
    }

    /// Starts PostgreSQL with its default settings and its files below `parent`, all flushed to the disk.
    pub fn start_below(parent: &Path) -> Self {
        Self::launch("", parent, "")
    }

    fn launch(settings: &str, parent: &Path, sync: &str) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let programs = installed("initdb");
        let mut process = Command::new("sh")
            .args(["-c", include_str!("postgres.sh"), "postgres"])
            .args([&address.port().to_string(), settings])
            .arg(programs.parent().expect("a folder"))
            .arg(sync)
            .env("TMPDIR", parent)
            // Ctrl-C must not reach the supervisor, which ends after the tests.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let orders = process.stdin.take();
        let mut answers = BufReader::new(process.stdout.take().expect("a pipe"));
        let folder = line(&mut answers);
        assert!(!folder.is_empty(), "PostgreSQL did not start");
        Self {
            address,
            folder: folder.into(),
            supervisor: Mutex::new(Supervisor {
                process,
                orders,
                answers,
            }),
            databases: Mutex::default(),
        }
    }

    /// Stops PostgreSQL, and blocks until it has ended.
    pub fn stop(&self, manner: Stop) {
        self.order(match manner {
            Stop::Fast => "stop fast",
            Stop::Immediate => "stop immediate",
        });
    }

    /// Starts the stopped PostgreSQL on the same port, and blocks until it accepts connections.
    pub fn start_again(&self) {
        self.order("start");
    }

    fn order(&self, order: &str) {
        let mut supervisor = self.supervisor.lock().expect("no panic");
        let orders = supervisor.orders.as_mut().expect("a supervisor");
        writeln!(orders, "{order}").expect("a supervisor");
        assert_eq!(line(&mut supervisor.answers), "done", "{order}");
    }

    /// Returns the address that PostgreSQL listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the folder of the database files.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Returns the URL of a database. `postgres` exists from the start.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@{}/{database}", self.address)
    }

    /// Returns the URL of the folder's database and creates it if needed. Databases whose folders are gone
    /// are dropped.
    pub fn database_of(&self, folder: &Path) -> String {
        let mut databases = self.databases.lock().expect("no panic");
        let known = databases.iter().find(|(of, _)| of == folder);
        let name = match known {
            Some((_, name)) => name.clone(),
            None => {
                databases.retain(|(of, name)| {
                    if !of.exists() {
                        self.sql(&format!("DROP DATABASE \"{name}\" WITH (FORCE)"));
                    }
                    of.exists()
                });
                let name = folder.file_name().expect("a name").to_string_lossy();
                let name = name.trim_start_matches('.').to_owned();
                self.sql(&format!("CREATE DATABASE \"{name}\""));
                databases.push((folder.to_owned(), name.clone()));
                name
            }
        };
        self.url(&name)
    }

    /// Runs a statement as the superuser, outside of any test's database.
    pub fn sql(&self, statement: &str) {
        let done = Command::new(installed("psql"))
            .args(["-X", "-q", "-c", statement, &self.url("postgres")])
            .output();
        let done = done.expect("psql");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{statement}: {said}");
    }

    /// Runs a readiness check as a container does, with the address in the environment only.
    pub fn is_ready(&self, check: &[String]) -> bool {
        let asked = Command::new(installed(&check[0]))
            .args(&check[1..])
            .env("PGHOST", self.address.ip().to_string())
            .env("PGPORT", self.address.port().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
        asked.expect("an end").success()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.join("log"));
            show("PostgreSQL", &log.unwrap_or_default());
        }
        if let Ok(supervisor) = self.supervisor.get_mut() {
            drop(supervisor.orders.take());
            let _ = supervisor.process.wait();
        }
    }
}

fn line(answers: &mut impl BufRead) -> String {
    let mut line = String::new();
    answers.read_line(&mut line).expect("a text");
    line.trim_end().to_owned()
}
