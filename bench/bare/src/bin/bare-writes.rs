//! The floor of writing: one loop that commits each comment to SQLite directly.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use bare::{Failure, Report};
use clap::Parser;
use rusqlite::{Connection, params};
use uuid::Uuid;

/// Inserts comments as the server does, without the server. Prints the number of comments and the time.
#[derive(Parser)]
struct Arguments {
    /// A database created by `causerie migrate`.
    #[arg(long)]
    database: PathBuf,
    /// Duration in seconds.
    #[arg(long, value_parser = bare::seconds)]
    seconds: Duration,
}

/// A body of about 150 bytes, as comments have.
const BODY: &str = "The best comment sections that I remember felt like a kitchen table: few chairs, \
    long evenings, and somebody who always had to fetch more chairs.";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    bare::finish(write(&arguments))
}

fn write(arguments: &Arguments) -> Result<Report, Failure> {
    let connection = bare::open(&arguments.database)?;
    let post = format!("bare-writes-{}", Uuid::now_v7().simple());
    connection.execute(
        "INSERT INTO post (id, title, created_at, comment_count, seq) VALUES (?1, 'Bare', ?2, 0, 0)",
        params![post, bare::now()],
    )?;
    bare::run(arguments.seconds, || Ok(comment(&connection, &post)?))
}

fn comment(connection: &Connection, post: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let seq: i64 = connection
        .prepare_cached(
            "UPDATE post SET seq = seq + 1, comment_count = comment_count + 1 WHERE id = ?1
             RETURNING seq",
        )?
        .query_row([post], |row| row.get(0))?;
    connection
        .prepare_cached(
            "INSERT INTO user (id, name, avatar) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, avatar = excluded.avatar
             WHERE user.name <> excluded.name OR user.avatar IS NOT excluded.avatar",
        )?
        .execute(params!["bare", "Bare", None::<&str>])?;
    connection
        .prepare_cached(
            "INSERT INTO comment (id, post_id, parent_id, author_id, body, created_at, edited_at,
                 deleted_at, added_seq, changed_seq, added_by, changed_by, reply_count)
             VALUES (?1, ?2, NULL, ?3, ?4, ?5, NULL, NULL, ?6, ?6, NULL, NULL, 0)",
        )?
        .execute(params![
            Uuid::now_v7().as_bytes().as_slice(),
            post,
            "bare",
            BODY,
            bare::now(),
            seq
        ])?;
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}
