//! The writer: numbered comments to one post after another, and typing.

use std::{
    net::SocketAddr,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use load::{
    comment::mutation,
    http::{Connection, HttpError},
};
use serde_json::{Value, json};

use crate::{POSTS, World, line::Fault};

const CREATE_POST: &str =
    "mutation($input: CreatePostInput!) { createPost(input: $input) { post { id } } }";
const CREATE: &str =
    "mutation($input: CreateCommentInput!) { createComment(input: $input) { comment { id } } }";
const TYPE: &str = "mutation($input: SetTypingInput!) { setTyping(input: $input) { isTyping } }";

/// The error code of an operation that was not executed because the database was unavailable. It can be
/// retried.
pub const UNAVAILABLE: &str = "SERVICE_UNAVAILABLE";
/// The pause before a retry.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Returns the id of a post.
pub fn id(post: usize) -> String {
    format!("soak-{post}")
}

/// Returns a comment's number in its post.
pub fn number(body: &str) -> Option<u32> {
    body.split(' ').next()?.parse().ok()
}

pub struct Writer {
    connection: Connection,
    token: String,
}

impl Writer {
    /// Creates the posts.
    pub fn new(address: SocketAddr, token: String) -> Result<Self, Fault> {
        let connection = Connection::open(address)?;
        let mut writer = Self { connection, token };
        for post in 0..POSTS {
            writer.send(CREATE_POST, json!({"id": id(post), "title": "A post"}))?;
        }
        Ok(writer)
    }

    /// Writes until the soak is over.
    pub fn write(mut self, world: &World, pace: Duration) -> Result<(), Fault> {
        let filler = "x".repeat(500);
        let mut due = Instant::now();
        for round in 1_u32.. {
            for post in 0..POSTS {
                if world.is_over() {
                    return Ok(());
                }
                let typing = json!({"postId": id(post), "isTyping": true});
                self.send_with_retry(world, TYPE, &typing)?;
                let body = format!("{round} {filler}");
                let comment = json!({"postId": id(post), "body": body});
                self.send_with_retry(world, CREATE, &comment)?;
                world.tally.written.fetch_add(1, Ordering::Relaxed);
                due += pace;
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        }
        Ok(())
    }

    fn send(&mut self, document: &str, input: Value) -> Result<(), Fault> {
        let request = mutation(Some(&self.token), document, &json!({"input": input}));
        self.connection.call(&request)?;
        Ok(())
    }

    /// Sends an operation, and retries it while the disk is busy.
    fn send_with_retry(
        &mut self,
        world: &World,
        document: &str,
        input: &Value,
    ) -> Result<(), Fault> {
        loop {
            match self.send(document, input.clone()) {
                Err(Fault::Http(HttpError::Refused { body, .. })) if body.contains(UNAVAILABLE) => {
                    world.tally.unavailable.fetch_add(1, Ordering::Relaxed);
                    if world.is_over() {
                        return Ok(());
                    }
                    thread::sleep(AGAIN_AFTER);
                }
                sent => return sent,
            }
        }
    }
}
