//! Imports go one way. A breach is reported by file, so the message names the place to repair.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Each part of the server and the parts that it may name. A new line here is a new arrow in the picture of
/// the architecture.
const PARTS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "auth",
            "config",
            "demo",
            "error",
            "graphql",
            "model",
            "server",
            "site",
            "store",
            "telemetry",
            "text",
        ],
    ),
    (
        "server",
        &[
            "auth",
            "cluster",
            "config",
            "error",
            "feed",
            "graphql",
            "jobs",
            "limits",
            "memory",
            "model",
            "moderation",
            "rooms",
            "shutdown",
            "store",
            "telemetry",
            "transport",
        ],
    ),
    ("demo", &["error", "model", "store"]),
    (
        "fuzzing",
        &["auth", "cluster", "graphql", "site", "transport"],
    ),
    (
        "transport",
        &[
            "auth",
            "config",
            "error",
            "graphql",
            "json",
            "limits",
            "memory",
            "model",
            "moderation",
            "shutdown",
            "telemetry",
        ],
    ),
    (
        "graphql",
        &[
            "auth",
            "error",
            "feed",
            "jobs",
            "json",
            "limits",
            "memory",
            "model",
            "moderation",
            "rooms",
            "store",
            "telemetry",
            "text",
        ],
    ),
    (
        "feed",
        &["error", "memory", "model", "rooms", "store", "telemetry"],
    ),
    (
        "jobs",
        &["error", "feed", "model", "rooms", "store", "telemetry"],
    ),
    (
        "moderation",
        &[
            "auth",
            "config",
            "error",
            "model",
            "outgoing",
            "store",
            "telemetry",
            "text",
        ],
    ),
    ("store", &["config", "error", "model", "telemetry", "text"]),
    ("cluster", &["config", "model", "rooms", "telemetry"]),
    ("rooms", &["model", "telemetry"]),
    (
        "auth",
        &["config", "error", "model", "outgoing", "telemetry", "text"],
    ),
    ("limits", &["config", "error", "model", "telemetry"]),
    ("site", &["model", "outgoing", "text"]),
    ("outgoing", &["config", "model"]),
    ("telemetry", &["config", "error"]),
    ("shutdown", &[]),
    ("json", &[]),
    ("text", &[]),
    ("memory", &["config", "error", "model"]),
    ("model", &[]),
    ("error", &[]),
    ("config", &[]),
];

/// Libraries that only some parts may name, and those parts.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("sea_orm", &["store"]),
    ("sysinfo", &["memory"]),
    ("migration", &["store"]),
    ("async_graphql", &["graphql", "transport"]),
    ("lru", &["graphql", "limits"]),
    ("mediatype", &["transport"]),
    ("axum", &["server", "transport"]),
    ("tower_http", &["transport"]),
    ("tungstenite", &["transport"]),
    ("jsonwebtoken", &["auth"]),
    ("hyper_rustls", &["outgoing"]),
    ("http_body_util", &["outgoing", "transport"]),
    ("rustls", &["outgoing"]),
    ("tower_service", &["outgoing"]),
    ("hmac", &["outgoing", "store"]),
    ("aho_corasick", &["moderation"]),
    ("quick_xml", &["site"]),
    ("flate2", &["site"]),
    ("indicatif", &["cli"]),
    ("icu_casemap", &["text"]),
    ("icu_normalizer", &["text"]),
    ("governor", &["limits"]),
    ("async_nats", &["cluster"]),
    ("metrics_exporter_prometheus", &["telemetry"]),
    ("opentelemetry", &["telemetry"]),
    ("opentelemetry_otlp", &["telemetry"]),
    ("opentelemetry_sdk", &["telemetry"]),
    ("tracing_opentelemetry", &["telemetry"]),
    ("clap", &["cli", "config"]),
];

#[test]
fn imports_have_one_direction() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&source);
    assert!(files.len() > 40, "where are the files? {files:?}");
    let broken: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let name = file.strip_prefix(&source).expect("below src");
            let text = fs::read_to_string(file).expect("a text");
            breaches(name, &text)
        })
        .collect();
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn wrong_import_is_found_in_any_spelling() {
    for (file, text) in [
        ("rooms/hub.rs", "use crate::store::Store;"),
        (
            "rooms/hub.rs",
            "use crate::{\n    model::{Change, Seq},\n    store::Store,\n};",
        ),
        ("rooms/hub.rs", "let store: crate::store::Store;"),
        ("rooms/hub.rs", "use super::super::store::Store;"),
        ("rooms/mod.rs", "use super::{model, store};"),
        ("rooms/hub.rs", "use crate::cluster::ClusterNode;"),
        ("rooms/mod.rs", "use sea_orm::DbErr;"),
        (
            "graphql/error.rs",
            "impl From<sea_orm::DbErr> for Failure {}",
        ),
        (
            "transport/http.rs",
            "use crate::{error::Error, rooms::Hub};",
        ),
        (
            "transport/ws/socket.rs",
            "use super::super::super::rooms::Hub;",
        ),
        ("transport/ws/socket.rs", "use crate::feed::Feed;"),
        ("model.rs", "use super::error::Error;"),
        ("model.rs", "use axum::Router;"),
        ("new.rs", "use crate::error::Error;"),
    ] {
        assert_eq!(breaches(Path::new(file), text).len(), 1, "{file}: {text}");
    }
    for (file, text) in [
        (
            "rooms/hub.rs",
            "use super::{membership::Participant, room::Room};",
        ),
        (
            "rooms/hub.rs",
            "//! It knows neither crate::store nor sea_orm.",
        ),
        (
            "store/mod.rs",
            "use sea_orm::DbErr;\nuse crate::error::Error;",
        ),
        ("store/entity/post.rs", "#[sea_orm(table_name = \"post\")]"),
        ("transport/ws/mod.rs", "use super::Transport;"),
        ("graphql/error.rs", "let message = my_axum::text();"),
    ] {
        assert_eq!(breaches(Path::new(file), text), Vec::<String>::new());
    }
}

/// Returns the rules that a file breaks, each as a sentence that names both parts.
fn breaches(file: &Path, text: &str) -> Vec<String> {
    let part = part_of(file);
    if part == "lib" {
        return Vec::new();
    }
    let Some((_, allowed)) = PARTS.iter().find(|(name, _)| *name == part) else {
        return vec![format!(
            "{}: this test does not know the part {part}",
            file.display()
        )];
    };
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let parts = parts_named(file, &code)
        .into_iter()
        .filter(|named| *named != part && !allowed.contains(&named.as_str()));
    let libraries = LIBRARIES
        .iter()
        .filter(|(library, parts)| !parts.contains(&part.as_str()) && names(&code, library))
        .map(|(library, _)| (*library).to_owned());
    parts
        .chain(libraries)
        .map(|named| format!("{}: {part} must not name {named}", file.display()))
        .collect()
}

/// Returns the part that a file belongs to: its folder below `src`, or itself.
fn part_of(file: &Path) -> String {
    let first = Path::new(file.iter().next().expect("a name"));
    first.with_extension("").display().to_string()
}

/// Returns the parts of the crate that are named in any path: `crate::a`, `causerie::a`, `super::a` if that
/// is the crate, and each of these with a list in braces.
fn parts_named(file: &Path, code: &str) -> BTreeSet<String> {
    // The number of `super::` that lead to the crate's root.
    let module = file.with_extension("");
    let depth = module.iter().filter(|name| *name != "mod").count();
    let root = "super::".repeat(depth);
    ["crate::", "causerie::", root.as_str()]
        .iter()
        .flat_map(|prefix| {
            code.match_indices(prefix)
                .flat_map(|(at, _)| heads(&code[at + prefix.len()..]))
        })
        .filter(|name| PARTS.iter().any(|(part, _)| part == name))
        .map(str::to_owned)
        .collect()
}

/// Returns the first name of a path, or of each path of a list in braces.
fn heads(path: &str) -> Vec<&str> {
    let Some(list) = path.strip_prefix('{') else {
        return vec![first_name(path)];
    };
    let mut depth = 0;
    list.split_inclusive(['{', '}', ','])
        .scan(false, |is_over, piece| {
            if *is_over {
                return None;
            }
            let head = (depth == 0).then(|| first_name(piece.trim_start()));
            match piece.chars().last() {
                Some('{') => depth += 1,
                Some('}') if depth == 0 => *is_over = true,
                Some('}') => depth -= 1,
                _ => {}
            }
            Some(head)
        })
        .flatten()
        .collect()
}

fn first_name(path: &str) -> &str {
    let end = path.find(|c: char| !is_of_name(c)).unwrap_or(path.len());
    &path[..end]
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns true if `library` stands at the head of a path.
fn names(code: &str, library: &str) -> bool {
    let path = format!("{library}::");
    code.match_indices(&path)
        .any(|(at, _)| !code[..at].ends_with(|c: char| is_of_name(c) || c == ':'))
}

pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .flat_map(|path| match path.is_dir() {
            true => rust_files(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}
