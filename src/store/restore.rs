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
/// Suffixes of the files that SQLite keeps beside a database.
const LOGS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// SQLite's primary result codes. The upper bytes of a code tell more.
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_NOTADB: u32 = 26;

/// The reason why a database was not restored.
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
    /// A database that is not there.
    #[error("{0}: does not exist")]
    Missing(PathBuf),
    /// A database of an earlier restoration.
    #[error("{0}: exists; move it away first")]
    Kept(PathBuf),
    /// A file that cannot be read or written.
    #[error("{0}: {1}")]
    File(PathBuf, #[source] io::Error),
    /// A database that cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A database that SQLite cannot open.
    #[error("{0}: {1}")]
    Sqlite(PathBuf, #[source] sqlx::Error),
    /// A copy whose log could not be written into its file.
    #[error("{0}: is incomplete, perhaps for want of space")]
    Incomplete(PathBuf),
    /// A database that does not take the new epoch.
    #[error("the database failed: {0:?}")]
    Database(#[from] Error),
}

/// Restores the database: puts the SQLite `backup` in its place, if one is given, migrates it, and begins a
/// new epoch, so that cursors which clients still have expire. The replaced file is kept beside it.
///
/// # Errors
///
/// Fails if the SQLite database is in use. It is unchanged then. Servers on PostgreSQL are not noticed.
pub async fn restore(config: &StoreConfig, backup: Option<&Path>) -> Result<(), RestoreError> {
    let Some(backup) = backup else {
        if let Ok(database) = sqlite_file(config) {
            if !database.exists() {
                return Err(RestoreError::Missing(database));
            }
            release(&database).await?;
        }
        return begin_epoch(config).await;
    };
    let database = sqlite_file(config)?;
    let prepared = with_suffix(&database, PREPARED);
    let replaced = with_suffix(&database, REPLACED);
    if replaced.exists() {
        return Err(RestoreError::Kept(replaced));
    }
    // Fails early, because the copy may take long.
    release(&database).await?;
    prepare(config, backup, &prepared).await?;
    take_owner(&database, &prepared)?;
    release(&database).await?;
    replace(&database, &replaced, &prepared)
}

/// Copies the backup, migrates the copy, and begins a new epoch there.
async fn prepare(config: &StoreConfig, backup: &Path, prepared: &Path) -> Result<(), RestoreError> {
    // What an attempt that was killed has left would be applied to the copy.
    for suffix in LOGS.into_iter().chain([""]) {
        let left = with_suffix(prepared, suffix);
        if left.exists() {
            fs::remove_file(&left).map_err(|error| failed(&left, error))?;
        }
    }
    copy(backup, prepared).await?;
    let config = StoreConfig {
        database_url: SqliteConnectOptions::new()
            .filename(prepared)
            .to_url_lossy()
            .into(),
        ..config.clone()
    };
    begin_epoch(&config).await?;
    let log = with_suffix(prepared, "-wal");
    if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        return Err(RestoreError::Incomplete(prepared.to_owned()));
    }
    Ok(())
}

/// Puts the prepared database in the place of the present one, which is kept. There is a database at each
/// moment.
fn replace(database: &Path, replaced: &Path, prepared: &Path) -> Result<(), RestoreError> {
    if database.exists() {
        fs::hard_link(database, replaced).map_err(|error| failed(replaced, error))?;
    }
    // Only a damaged database still has logs. They would be applied to the new one.
    for suffix in LOGS {
        let log = with_suffix(database, suffix);
        if log.exists() {
            let kept = with_suffix(replaced, suffix);
            fs::rename(&log, kept).map_err(|error| failed(&log, error))?;
        }
    }
    fs::rename(prepared, database).map_err(|error| failed(prepared, error))?;
    let folder = database.parent().filter(|folder| *folder != Path::new(""));
    let folder = folder.unwrap_or_else(|| Path::new("."));
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| failed(folder, error))
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

/// Copies a backup and its log to a new file that its owner alone may read.
///
/// Fails if the backup is damaged or has not the tables of this server.
async fn copy(backup: &Path, prepared: &Path) -> Result<(), RestoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let options_of_backup = SqliteConnectOptions::new().filename(backup).read_only(true);
    let copied = async {
        let mut connection = SqliteConnection::connect_with(&options_of_backup).await?;
        let intact: String = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_one(&mut connection)
            .await?;
        if intact != "ok" {
            return Ok(false);
        }
        sqlx::query("SELECT id FROM comment LIMIT 1")
            .fetch_optional(&mut connection)
            .await?;
        // SQLite takes an empty file, and keeps its mode.
        options.open(prepared)?.sync_all()?;
        sqlx::query("VACUUM INTO ?")
            .bind(prepared.to_string_lossy())
            .execute(&mut connection)
            .await?;
        connection.close().await?;
        Ok::<_, sqlx::Error>(true)
    };
    match copied.await {
        Ok(true) => Ok(()),
        Err(sqlx::Error::Io(error)) => Err(failed(prepared, error)),
        Ok(false) | Err(_) => Err(RestoreError::NotBackup(backup.to_owned())),
    }
}

/// Gives the copy to the owner of the present database, because an operator may be another user.
fn take_owner(database: &Path, prepared: &Path) -> Result<(), RestoreError> {
    #[cfg(unix)]
    if let Ok(owner) = fs::metadata(database) {
        use std::os::unix::fs::{MetadataExt, chown};
        let taken = chown(prepared, Some(owner.uid()), Some(owner.gid()));
        taken.map_err(|error| failed(prepared, error))?;
    }
    Ok(())
}

/// Writes the log of a database into its file and removes the log. A missing database is a no-op.
///
/// Fails if a process has the database open.
async fn release(database: &Path) -> Result<(), RestoreError> {
    if !database.exists() {
        return Ok(());
    }
    let options = SqliteConnectOptions::new()
        .filename(database)
        .journal_mode(SqliteJournalMode::Delete);
    let released = async {
        SqliteConnection::connect_with(&options)
            .await?
            .close()
            .await
    };
    let Err(error) = released.await else {
        return Ok(());
    };
    match primary_code(&error) {
        Some(SQLITE_BUSY | SQLITE_LOCKED) => Err(RestoreError::InUse(database.to_owned())),
        // It is replaced as it is.
        Some(SQLITE_CORRUPT | SQLITE_NOTADB) => Ok(()),
        _ => Err(RestoreError::Sqlite(database.to_owned(), error)),
    }
}

fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn failed(path: &Path, error: io::Error) -> RestoreError {
    RestoreError::File(path.to_owned(), error)
}
