//! The database of a test: a SQLite file in the test's folder. If `TEST_DATABASE` is `postgres`, it is a
//! separate database in a PostgreSQL that the tests share.

use std::{
    path::Path,
    sync::{Arc, LazyLock},
};

use causerie::{error::Error, store::Allowance};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use testkit::postgres::Postgres;

/// Settings without durability: the data does not outlive the tests.
const FAST: &str = "-c max_connections=200 -c shared_buffers=32MB \
                    -c fsync=off -c synchronous_commit=off -c full_page_writes=off";

/// The PostgreSQL that all tests share, each with its own database.
static SHARED: LazyLock<Postgres> = LazyLock::new(|| Postgres::start(FAST));

/// Returns true if the tests run on PostgreSQL. Tests that need one of the databases run on that one in any
/// case, and are in the modules `sqlite` and `postgres`.
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
        postgres_url(folder)
    } else {
        sqlite_url(folder)
    }
}

/// Returns the URL of the folder's database in PostgreSQL.
pub(crate) fn postgres_url(folder: &Path) -> String {
    SHARED.database_of(folder)
}

/// Returns the URL of the folder's SQLite file.
pub(crate) fn sqlite_url(folder: &Path) -> String {
    format!("sqlite://{}?mode=rwc", folder.join("test.db").display())
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

/// Returns the SQL of a trigger on a row of `table` that runs `deed` if `condition` holds.
pub(crate) fn trigger(table: &str, moment: &str, condition: &str, deed: &str) -> String {
    if on_postgres() {
        format!(
            "CREATE FUNCTION deed() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN {deed}; RETURN new; END $$;
             CREATE TRIGGER fails {moment} ON \"{table}\" FOR EACH ROW
             WHEN ({condition}) EXECUTE FUNCTION deed()"
        )
    } else {
        format!("CREATE TRIGGER fails {moment} ON \"{table}\" WHEN {condition} BEGIN {deed}; END")
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

/// Returns an allowance of all that there is.
pub(crate) fn everything() -> Arc<dyn Allowance> {
    #[derive(Debug)]
    struct Everything;

    impl Allowance for Everything {
        fn take(&self, _: usize) -> Result<bool, Error> {
            Ok(true)
        }

        fn give_back(&self, _: usize) {}
    }

    Arc::new(Everything)
}
