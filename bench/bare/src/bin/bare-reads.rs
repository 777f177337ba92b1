//! The floor of reading: one loop that reads a page of comments as JSON from SQLite directly. It reads only
//! the columns that the page shows.

use std::{hint::black_box, path::PathBuf, process::ExitCode, time::Duration};

use bare::{Failure, Report};
use clap::Parser;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use time::{UtcDateTime, macros::format_description};
use uuid::Uuid;

/// Reads a post's first comments as `{ post(id) { comments(first) { nodes { id body createdAt author { id
/// name avatar } } } } }` does, without the server. Prints the number of pages and the time.
#[derive(Parser)]
struct Arguments {
    /// A database created by `causerie migrate`.
    #[arg(long)]
    database: PathBuf,
    /// The id of a post that has comments.
    #[arg(long)]
    post: String,
    /// Duration in seconds.
    #[arg(long, value_parser = bare::seconds)]
    seconds: Duration,
    /// Number of comments on a page.
    #[arg(long, default_value = "50", value_parser = clap::value_parser!(u32).range(1..=100))]
    first: u32,
    /// Prints the page instead, for comparison with the server's.
    #[arg(long)]
    show: bool,
}

#[derive(Serialize)]
struct Response {
    data: Data,
}

#[derive(Serialize)]
struct Data {
    post: Option<Post>,
}

#[derive(Serialize)]
struct Post {
    comments: Comments,
}

#[derive(Serialize)]
struct Comments {
    nodes: Vec<Comment>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Comment {
    id: Uuid,
    body: String,
    created_at: String,
    author: Author,
}

#[derive(Serialize)]
struct Author {
    id: String,
    name: String,
    avatar: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.show {
        return bare::finish(open(&arguments).and_then(|connection| page(&connection, &arguments)));
    }
    bare::finish(read(&arguments))
}

fn open(arguments: &Arguments) -> Result<Connection, Failure> {
    let connection = bare::open(&arguments.database)?;
    connection.pragma_update(None, "query_only", "ON")?;
    Ok(connection)
}

fn read(arguments: &Arguments) -> Result<Report, Failure> {
    let connection = open(arguments)?;
    let (post, first) = (&arguments.post, arguments.first);
    match page(&connection, arguments)?.data.post {
        None => return Err(format!("--post: there is no post {post:?}").into()),
        Some(post) if post.comments.nodes.len() < first as usize => {
            let there = post.comments.nodes.len();
            return Err(format!("--first: {first} comments, and the post has {there}").into());
        }
        Some(_) => {}
    }
    bare::run(arguments.seconds, || {
        black_box(serde_json::to_string(&page(&connection, arguments)?)?);
        Ok(())
    })
}

fn page(connection: &Connection, arguments: &Arguments) -> Result<Response, Failure> {
    let (post, first) = (arguments.post.as_str(), arguments.first);
    let seq: Option<i64> = connection
        .prepare_cached("SELECT seq FROM post WHERE id = ?1")?
        .query_row([post], |row| row.get(0))
        .optional()?;
    let Some(seq) = seq else {
        return Ok(Response {
            data: Data { post: None },
        });
    };
    // One row more than the page has shows if the list goes on. The number is part of the text, because
    // SQLite prepares a statement again whenever a limit is bound.
    let mut statement = connection.prepare_cached(&format!(
        "SELECT comment.id, body, created_at, user.id, user.name, user.avatar
         FROM comment JOIN user ON user.id = comment.author_id
         WHERE post_id = ?1 AND parent_id IS NULL AND added_seq <= ?2
         ORDER BY added_seq LIMIT {}",
        first + 1
    ))?;
    let nodes = statement.query_map(params![post, seq], comment)?;
    let mut nodes = nodes.collect::<rusqlite::Result<Vec<Comment>>>()?;
    nodes.truncate(first as usize);
    Ok(Response {
        data: Data {
            post: Some(Post {
                comments: Comments { nodes },
            }),
        },
    })
}

fn comment(row: &Row<'_>) -> rusqlite::Result<Comment> {
    Ok(Comment {
        id: Uuid::from_bytes(row.get(0)?),
        body: row.get(1)?,
        created_at: instant(row.get(2)?),
        author: Author {
            id: row.get(3)?,
            name: row.get(4)?,
            avatar: row.get(5)?,
        },
    })
}

/// Formats an instant as RFC 3339 with milliseconds. Returns an empty text if it has no such form.
fn instant(millis: i64) -> String {
    let layout =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    UtcDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
        .ok()
        .and_then(|instant| instant.format(layout).ok())
        .unwrap_or_default()
}
