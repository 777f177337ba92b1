//! Fuzz targets for the parsers of untrusted bytes. Each takes any bytes, and panics if an invariant
//! is broken.
//!
//! The feature `fuzzing` compiles them for `fuzz/`. The test below replays the corpora.

pub use crate::{
    auth::fuzzing::{keys, token},
    cluster::fuzzing::wire,
    graphql::fuzzing::{cursor, document, response},
    site::fuzzing::site,
    transport::fuzzing::{body, frames, protocol},
};

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    /// Runs a target on each file of the corpus with its name.
    fn replay(name: &str, target: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/corpus")
            .join(name);
        let files: Vec<_> = fs::read_dir(&folder).unwrap().map(Result::unwrap).collect();
        assert!(!files.is_empty(), "{} is empty", folder.display());
        for file in files {
            let bytes = fs::read(file.path()).unwrap();
            let result = std::panic::catch_unwind(|| target(&bytes));
            assert!(result.is_ok(), "{}", file.path().display());
        }
    }

    #[test]
    fn fuzz_corpora_replay_without_panic() {
        replay("keys", super::keys);
        replay("token", super::token);
        replay("cursor", super::cursor);
        replay("document", super::document);
        replay("wire", super::wire);
        replay("frames", super::frames);
        replay("protocol", super::protocol);
        replay("response", super::response);
        replay("body", super::body);
        replay("site", super::site);
    }
}
