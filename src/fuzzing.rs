//! What reads bytes that anybody may send, for fuzzers: each function takes any bytes, and panics where
//! what must hold does not.
//!
//! It is compiled for `fuzz/` alone, by the feature `fuzzing`, and for the test that feeds it what the
//! fuzzers have found.

pub use crate::{
    auth::fuzzing::{keys, token},
    cluster::fuzzing::wire,
    graphql::fuzzing::{cursor, document},
    transport::fuzzing::{frames, protocol},
};

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    /// Feeds a function the corpus of its name.
    fn replay(name: &str, function: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/corpus")
            .join(name);
        let files: Vec<_> = fs::read_dir(&folder).unwrap().map(Result::unwrap).collect();
        assert!(!files.is_empty(), "nothing in {}", folder.display());
        for file in files {
            let bytes = fs::read(file.path()).unwrap();
            let fed = std::panic::catch_unwind(|| function(&bytes));
            assert!(fed.is_ok(), "{}", file.path().display());
        }
    }

    #[test]
    fn what_the_fuzzers_found_is_read_without_harm() {
        replay("keys", super::keys);
        replay("token", super::token);
        replay("cursor", super::cursor);
        replay("document", super::document);
        replay("wire", super::wire);
        replay("frames", super::frames);
        replay("protocol", super::protocol);
    }
}
