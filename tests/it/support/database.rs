//! The database of a test: a SQLite file in the test's folder. If `TEST_DATABASE` is `postgres`, it is a
//! separate database in a PostgreSQL cluster that the tests start.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};

/// Settings without durability: the data does not outlive the tests.
const FAST: &str = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off";

/// The cluster that all tests share, each with its own database.
static SHARED: LazyLock<Cluster> = LazyLock::new(|| Cluster::start(FAST));

/// Returns true if the tests run on PostgreSQL. Tests about SQLite's file or its single writer are skipped
/// then.
pub(crate) fn on_postgres() -> bool {
    #[allow(
        clippy::disallowed_methods,
        reason = "it is no setting of the server's, but says which tests to run"
    )]
    let database = std::env::var("TEST_DATABASE");
    match database.as_deref() {
        Err(_) | Ok("sqlite") => false,
        Ok("postgres") => true,
        Ok(other) => panic!("TEST_DATABASE is neither sqlite nor postgres: {other}"),
    }
}

/// Returns the URL of the folder's database, which lives as long as the folder.
pub(crate) fn database_url(folder: &Path) -> String {
    if on_postgres() {
        SHARED.database_of(folder)
    } else {
        format!("sqlite://{}?mode=rwc", folder.join("test.db").display())
    }
}

/// Opens one connection to the same database, as another program would.
pub(crate) async fn another_program(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.expect("a connection")
}

pub(crate) async fn run(connection: &DatabaseConnection, sql: &str) {
    connection.execute_unprepared(sql).await.expect(sql);
}

/// Blocks all writers until the connection runs ROLLBACK.
pub(crate) async fn lock(connection: &DatabaseConnection) {
    if on_postgres() {
        run(connection, "BEGIN").await;
        run(connection, "LOCK TABLE post IN EXCLUSIVE MODE").await;
    } else {
        run(connection, "BEGIN IMMEDIATE").await;
    }
}

/// Returns the SQL of a trigger on a row of `comment` that runs `deed` if `condition` holds.
pub(crate) fn trigger(moment: &str, condition: &str, deed: &str) -> String {
    if on_postgres() {
        format!(
            "CREATE FUNCTION deed() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN {deed}; RETURN new; END $$;
             CREATE TRIGGER fails {moment} ON comment FOR EACH ROW
             WHEN ({condition}) EXECUTE FUNCTION deed()"
        )
    } else {
        format!("CREATE TRIGGER fails {moment} ON comment WHEN {condition} BEGIN {deed}; END")
    }
}

/// Returns the SQL with which a trigger makes its statement fail.
pub(crate) fn raise_error() -> &'static str {
    if on_postgres() {
        "RAISE EXCEPTION 'no'"
    } else {
        "SELECT RAISE(ABORT, 'no')"
    }
}

/// A PostgreSQL cluster of the tests. It ends with the value, or with the tests.
pub(crate) struct Cluster {
    port: u16,
    folder: PathBuf,
    supervisor: Mutex<Supervisor>,
    /// The databases, each with its folder.
    databases: Mutex<Vec<(PathBuf, String)>>,
}

struct Supervisor {
    process: Child,
    /// `None` once the supervisor was told to end.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Cluster {
    /// Starts a cluster with these settings on a free port of loopback.
    pub(crate) fn start(settings: &str) -> Self {
        let port = free_port();
        let settings = format!(
            "-c listen_addresses=127.0.0.1 -c max_connections=200 -c shared_buffers=32MB {settings}"
        );
        let mut process = Command::new("sh")
            .args(["-c", include_str!("cluster.sh"), "cluster"])
            .args([port.to_string(), settings])
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
            port,
            folder: folder.into(),
            supervisor: Mutex::new(Supervisor {
                process,
                orders,
                answers,
            }),
            databases: Mutex::default(),
        }
    }

    /// Runs the order `start`, or `stop` with its mode, and waits until it is done.
    pub(crate) fn order(&self, order: &str) {
        let mut supervisor = self.supervisor.lock().expect("no panic");
        let orders = supervisor.orders.as_mut().expect("a supervisor");
        writeln!(orders, "{order}").expect("a supervisor");
        assert_eq!(line(&mut supervisor.answers), "done", "{order}");
    }

    /// Returns the port that the cluster listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the cluster's folder. The data is in `data`.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the URL of the folder's database and creates it if needed. Databases whose folders are gone
    /// are dropped.
    pub(crate) fn database_of(&self, folder: &Path) -> String {
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

    /// Returns the URL of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://causerie@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs a statement as the cluster's owner, outside of any test's database.
    pub(crate) fn sql(&self, statement: &str) {
        let done = Command::new("psql")
            .args(["-X", "-q", "-c", statement, &self.url("postgres")])
            .output();
        let done = done.expect("psql");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{statement}: {said}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
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

/// Returns a free port that was not returned before, from outside the system's range of ephemeral ports.
fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 12_000).expect("small");
    let ports = std::iter::repeat_with(|| {
        20_000 + first.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % 12_000
    });
    ports
        .take(12_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}
