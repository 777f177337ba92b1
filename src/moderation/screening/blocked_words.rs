//! The file of blocked words, which is read again when it changes.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::{Mutex, RwLock};
use tokio::time::MissedTickBehavior;
use tokio_util::task::TaskTracker;

use super::{
    ListError,
    word_list::{MAX_BYTES, WordList},
};

/// Interval at which the file is compared with the list.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

/// The blocked words of a file. While the file is missing or bad, its last good list stays in force.
#[derive(Debug)]
pub(super) struct BlockedWords {
    path: PathBuf,
    list: RwLock<Arc<WordList>>,
    file: Mutex<FileState>,
}

/// The state of the file when it was last looked at.
#[derive(Debug, PartialEq, Eq)]
enum FileState {
    /// The list is that of this version.
    Read(Version),
    /// The file could not be read, which was logged.
    Failed,
}

/// A version of the file. An edit changes at least one of its fields.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    modified: SystemTime,
    bytes: u64,
}

impl Version {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            modified: metadata.modified()?,
            bytes: metadata.len(),
        })
    }
}

impl BlockedWords {
    /// Reads the file. Blocks, but not for long: it is small and local.
    pub(super) fn open(path: &Path) -> Result<Self, ListError> {
        // A change between the two is found by the first refresh.
        let version = Version::of(path)?;
        Ok(Self {
            path: path.to_owned(),
            list: RwLock::new(Arc::new(read(path)?)),
            file: Mutex::new(FileState::Read(version)),
        })
    }

    /// Returns true if a blocked word or phrase is in `text`.
    pub(super) fn are_in(&self, text: &str) -> bool {
        let list = Arc::clone(&self.list.read());
        list.is_in(text)
    }

    /// Refreshes the list every second. Runs until it is dropped.
    pub(super) async fn run(self: &Arc<Self>) {
        let blocking = TaskTracker::new();
        let mut ticks = tokio::time::interval(REFRESH_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let words = Arc::clone(self);
            // A long list takes a while to compile. After a panic the list stays as it is.
            let _ = blocking.spawn_blocking(move || words.refresh()).await;
        }
    }

    /// Reads the file again if it has changed. Logs a failure once.
    fn refresh(&self) {
        let mut file = self.file.lock();
        let version = Version::of(&self.path);
        if let (Ok(version), FileState::Read(known)) = (&version, &*file)
            && version == known
        {
            return;
        }
        let version = version.map_err(ListError::from);
        match version.and_then(|version| Ok((version, read(&self.path)?))) {
            Ok((version, list)) => {
                tracing::info!(entries = list.len(), "BLOCKED_WORDS was read again");
                *self.list.write() = Arc::new(list);
                *file = FileState::Read(version);
            }
            Err(error) => {
                if *file != FileState::Failed {
                    tracing::warn!(%error, "cannot read BLOCKED_WORDS: the last list stays");
                }
                *file = FileState::Failed;
            }
        }
    }
}

fn read(path: &Path) -> Result<WordList, ListError> {
    let mut text = Vec::new();
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX) + 1;
    File::open(path)?.take(limit).read_to_end(&mut text)?;
    if text.len() > MAX_BYTES {
        return Err(ListError::TooLarge(MAX_BYTES));
    }
    let text = str::from_utf8(&text).map_err(|_| ListError::NotUtf8)?;
    WordList::parse(text)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn words(text: &str) -> (TempDir, BlockedWords) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("words.txt");
        fs::write(&path, text).unwrap();
        let words = BlockedWords::open(&path).unwrap();
        (folder, words)
    }

    #[test]
    fn changed_file_is_read_again() {
        let (_folder, words) = words("fish");
        words.refresh();
        assert!(words.are_in("fish") && !words.are_in("meat"));
        fs::write(&words.path, "meat\nveal").unwrap();
        words.refresh();
        assert!(words.are_in("meat") && words.are_in("veal") && !words.are_in("fish"));
        // The length stays the same, as in most corrections.
        fs::write(&words.path, "milk\nveal").unwrap();
        let file = File::options().write(true).open(&words.path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        words.refresh();
        assert!(words.are_in("milk") && !words.are_in("meat"));
    }

    #[test]
    fn missing_or_bad_file_keeps_the_last_list() {
        let (_folder, words) = words("fish");
        fs::remove_file(&words.path).unwrap();
        words.refresh();
        assert!(words.are_in("fish"));
        let too_large = "meat\n".repeat(MAX_BYTES / 5 + 1);
        for bad in [&b"meat \xff"[..], too_large.as_bytes()] {
            fs::write(&words.path, bad).unwrap();
            words.refresh();
            assert!(words.are_in("fish") && !words.are_in("meat"));
            assert_eq!(*words.file.lock(), FileState::Failed);
        }
        fs::write(&words.path, "milk").unwrap();
        words.refresh();
        assert!(words.are_in("milk") && !words.are_in("fish"));
    }

    #[test]
    fn file_beyond_its_bounds_is_refused_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("words.txt");
        let error = BlockedWords::open(&path).unwrap_err();
        assert!(matches!(error, ListError::File(_)));
        fs::write(&path, "a".repeat(MAX_BYTES)).unwrap();
        assert!(BlockedWords::open(&path).is_ok());
        fs::write(&path, "a".repeat(MAX_BYTES + 1)).unwrap();
        let error = BlockedWords::open(&path).unwrap_err();
        assert!(matches!(error, ListError::TooLarge(MAX_BYTES)));
    }
}
