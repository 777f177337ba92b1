//! The language of the source: the rules that can be checked without understanding a sentence.

use std::{fs, path::Path};

use crate::imports::rust_files;

/// Words that no doc block begins with: a doc names a thing, or says what a function does.
const OPENERS: &[&str] = &[
    "How", "What", "Whether", "Who", "Whose", "Whom", "Where", "When", "Which", "Of", "With", "As",
    "For", "From", "Until", "Besides", "One", "Those", "So",
];

/// Vague actors, and words that have a plainer one.
const VAGUE: &[&str] = &[
    "nobody",
    "somebody",
    "whoever",
    "one who",
    "those who",
    "anew",
    "of late",
    "besides",
    "so many",
    "in vain",
    "of its own accord",
];

/// Maximum length of a test's name.
const MAX_TEST_NAME: usize = 60;

/// Folders of the repository with Rust code of its own.
const FOLDERS: &[&str] = &[
    "src",
    "tests/it",
    "testkit/src",
    "tests/cluster",
    "migration/src",
    "benches",
    "bench/load/src",
    "fuzz/fuzz_targets",
];

/// Files that quote the words.
const EXCEPTIONS: &[&str] = &["tests/it/language.rs"];

#[test]
fn comments_and_test_names_keep_the_rules_of_language() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut breaches = Vec::new();
    for folder in FOLDERS {
        for file in rust_files(&root.join(folder)) {
            let name = file.strip_prefix(root).expect("a path below the root");
            let name = name.display().to_string();
            if !EXCEPTIONS.contains(&name.as_str()) {
                let text = fs::read_to_string(&file).expect("a file");
                let found = breaches_of(&text);
                breaches.extend(found.map(|breach| format!("{name}:{breach}")));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn breach_of_each_rule_is_found() {
    let long = "a".repeat(MAX_TEST_NAME + 1);
    for text in [
        "/// How long it takes.\nfn f() {}",
        "//! What this is.\n",
        "// Waits for somebody.\n",
        "/// A wait.\n/// It waits in vain.\n",
        &format!("#[test]\nfn {long}() {{}}"),
        &format!("#[tokio::test(start_paused = true)]\nasync fn {long}() {{}}"),
    ] {
        assert_eq!(breaches_of(text).count(), 1, "{text}");
    }
    for text in [
        "/// Returns how long it takes.\nfn f() {}",
        "/// A wait.\n/// How it ends is another question.\n",
        "let text = \"somebody\";",
        &format!("fn {long}() {{}}"),
    ] {
        assert_eq!(breaches_of(text).count(), 0, "{text}");
    }
}

/// Finds the breaches in a file, each with its line.
fn breaches_of(text: &str) -> impl Iterator<Item = String> + use<'_> {
    let before = std::iter::once("").chain(text.lines());
    let lines = text.lines().zip(before).enumerate();
    lines.flat_map(|(index, (line, before))| {
        let comment = comment(line);
        let opener = comment
            .filter(|_| is_doc(line) && self::comment(before).is_none())
            .and_then(|comment| OPENERS.iter().find(|word| begins_with(comment, word)));
        let vague = comment.and_then(|comment| {
            let comment = comment.to_lowercase();
            VAGUE.iter().find(|words| contains(&comment, words))
        });
        let name = is_test(before).then(|| test_name(line)).flatten();
        let long = name.filter(|name| name.len() > MAX_TEST_NAME);
        [
            opener.map(|word| format!("{}: a doc begins with {word}", index + 1)),
            vague.map(|words| format!("{}: \"{words}\" is vague", index + 1)),
            long.map(|name| format!("{}: the name is too long: {name}", index + 1)),
        ]
        .into_iter()
        .flatten()
    })
}

fn comment(line: &str) -> Option<&str> {
    let text = line.trim_start().strip_prefix("//")?;
    Some(text.trim_start_matches(['/', '!']).trim())
}

fn is_doc(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("///") || line.starts_with("//!")
}

fn begins_with(text: &str, word: &str) -> bool {
    let rest = text.strip_prefix(word);
    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

fn contains(text: &str, words: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(words).any(|(at, _)| {
        !text[..at].ends_with(is_word) && !text[at + words.len()..].starts_with(is_word)
    })
}

fn is_test(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("#[test]") || line.starts_with("#[tokio::test")
}

fn test_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("async ").unwrap_or(line);
    let name = line.strip_prefix("fn ")?;
    name.split('(').next()
}
