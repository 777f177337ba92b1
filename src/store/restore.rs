//! The way back from a backup.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use sea_orm::sqlx::{
    self, ConnectOptions, Connection,
    sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode},
};

use super::{OpenError, Store};
use crate::{config::StoreConfig, error::Error, telemetry::Registry};

/// Suffix of the file that a backup is prepared in.
const PREPARED: &str = ".restoring";
/// Suffix of the database that a backup replaced.
const REPLACED: &str = ".before-restore";
/// SQLite's code for a database that another connection has locked.
const SQLITE_BUSY: &str = "5";

/// The reason why a database was not restored. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A backup for a database that is no file.
    #[error("a file restores a SQLite database only: use pg_restore first, then name no file")]
    NotSqlite,
    /// A file that is damaged, or not Causerie's.
    #[error("{0}: is not an intact backup of Causerie's")]
    NotBackup(PathBuf),
    /// A database that a server still has open.
    #[error("{0}: is in use; stop the server first")]
    InUse(PathBuf),
    /// A database of an earlier restoration.
    #[error("{0}: exists; move it away first")]
    Kept(PathBuf),
    /// A file that cannot be read or written.
    #[error("{0}: {1}")]
    File(PathBuf, #[source] io::Error),
    /// A database that cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A database that does not take the new epoch.
    #[error("the database failed: {0:?}")]
    Database(#[from] Error),
}

/// Restores the database: puts the SQLite `backup` in its place, if one is given, migrates it, and begins a
/// new epoch, so that cursors which clients still have expire. The replaced file is kept beside it.
///
/// # Errors
///
/// Fails if the database is in use. It is unchanged then.
pub async fn restore(config: &StoreConfig, backup: Option<&Path>) -> Result<(), RestoreError> {
    let Some(backup) = backup else {
        return begin_epoch(config).await;
    };
    let database = sqlite_file(config)?;
    check(backup).await?;
    let (prepared, replaced) = (
        with_suffix(&database, PREPARED),
        with_suffix(&database, REPLACED),
    );
    if replaced.exists() {
        return Err(RestoreError::Kept(replaced));
    }
    if database.exists() {
        release(&database).await?;
    }
    // What an attempt that was killed has left would be applied to the copy.
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let left = with_suffix(&prepared, suffix);
        if left.exists() {
            fs::remove_file(&left).map_err(|error| failed(&left, error))?;
        }
    }
    copy_private(backup, &prepared).map_err(|error| failed(&prepared, error))?;
    let prepared_config = StoreConfig {
        database_url: SqliteConnectOptions::new()
            .filename(&prepared)
            .to_url_lossy()
            .into(),
        ..config.clone()
    };
    begin_epoch(&prepared_config).await?;
    // The log of a damaged database would be applied to the new one.
    for suffix in ["", "-wal", "-shm"] {
        let (from, to) = (
            with_suffix(&database, suffix),
            with_suffix(&replaced, suffix),
        );
        if from.exists() {
            fs::rename(&from, to).map_err(|error| failed(&from, error))?;
        }
    }
    fs::rename(&prepared, &database).map_err(|error| failed(&prepared, error))
}

async fn begin_epoch(config: &StoreConfig) -> Result<(), RestoreError> {
    let store = Store::open(config, &Registry::new()).await?;
    let begun = store.begin_epoch().await;
    store.close().await;
    Ok(begun?)
}

fn sqlite_file(config: &StoreConfig) -> Result<PathBuf, RestoreError> {
    if !config.database_url.starts_with("sqlite:") {
        return Err(RestoreError::NotSqlite);
    }
    let options: SqliteConnectOptions = config
        .database_url
        .parse()
        .map_err(|_| RestoreError::NotSqlite)?;
    Ok(options.get_filename().to_owned())
}

/// Checks that a file is an intact database with the tables of this server.
async fn check(backup: &Path) -> Result<(), RestoreError> {
    let options = SqliteConnectOptions::new().filename(backup).read_only(true);
    let is_intact = async {
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let intact: String = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_one(&mut connection)
            .await?;
        sqlx::query("SELECT id FROM comment LIMIT 1")
            .fetch_optional(&mut connection)
            .await?;
        connection.close().await?;
        Ok::<_, sqlx::Error>(intact == "ok")
    };
    match is_intact.await {
        Ok(true) => Ok(()),
        _ => Err(RestoreError::NotBackup(backup.to_owned())),
    }
}

/// Writes the log of a database into its file and removes the log.
///
/// Fails if a process has the database open.
async fn release(database: &Path) -> Result<(), RestoreError> {
    let options = SqliteConnectOptions::new()
        .filename(database)
        .journal_mode(SqliteJournalMode::Delete);
    let released = async {
        SqliteConnection::connect_with(&options)
            .await?
            .close()
            .await
    };
    match released.await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(SQLITE_BUSY) => {
            Err(RestoreError::InUse(database.to_owned()))
        }
        // A database that is damaged is replaced as it is.
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Copies a file to a new one that its owner alone may read.
fn copy_private(from: &Path, to: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut copy = options.open(to)?;
    io::copy(&mut File::open(from)?, &mut copy)?;
    copy.sync_all()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn failed(path: &Path, error: io::Error) -> RestoreError {
    RestoreError::File(path.to_owned(), error)
}
