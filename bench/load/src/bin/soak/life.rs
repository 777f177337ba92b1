//! A reader's life: it connects, follows a post for a while, and leaves.

use std::{
    collections::HashMap,
    sync::{atomic::Ordering, mpsc::Sender},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    POSTS, World,
    grave::Silent,
    line::{Fault, Line, Request, Transport},
    writer,
};

/// A reader's way of leaving.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Completes,
    Closes,
    Leaves,
    Resets,
    FallsSilent,
    ReadsSlowly,
}

pub const MANNERS: usize = 6;

impl Manner {
    pub const ALL: [Self; MANNERS] = [
        Self::Completes,
        Self::Closes,
        Self::Leaves,
        Self::Resets,
        Self::FallsSilent,
        Self::ReadsSlowly,
    ];

    pub fn words(self) -> &'static str {
        match self {
            Self::Completes => "completed",
            Self::Closes => "sent a close frame",
            Self::Leaves => "just left",
            Self::Resets => "went with a reset",
            Self::FallsSilent => "fell silent",
            Self::ReadsSlowly => "read slowly",
        }
    }
}

const ADDED: &str = "subscription($post: ID!, $after: Cursor) {
    commentAdded(postId: $post, after: $after) { cursor body author { name } } }";
const VIEWERS: &str = "subscription($post: ID!) { viewerCount(postId: $post) }";
const TYPING: &str =
    "subscription($post: ID!) { typing(postId: $post) { isTyping user { name } } }";

const LONGEST_LIFE: Duration = Duration::from_secs(12);
/// The number of lives of which one is over SSE.
const SSE_ONE_OF: u8 = 4;

/// Positions in the feeds: by post, the cursor and the number of the last comment.
type Places = HashMap<usize, (Value, u32)>;

/// Lives repeatedly, until the soak is over.
pub fn live_repeatedly(world: &World, number: u64, bury: &Sender<Silent>) -> Result<(), Fault> {
    let mut random = fastrand::Rng::with_seed(number);
    let mut places = Places::new();
    while !world.is_over() {
        live(world, &mut random, &mut places, bury)?;
    }
    Ok(())
}

fn live(
    world: &World,
    random: &mut fastrand::Rng,
    places: &mut Places,
    bury: &Sender<Silent>,
) -> Result<(), Fault> {
    let transport = match random.u8(0..SSE_ONE_OF) {
        0 => Transport::Sse,
        _ => Transport::WebSocket,
    };
    let manner = loop {
        let manner = Manner::ALL[random.usize(0..MANNERS)];
        // An HTTP request cannot send anything after its head and body.
        let is_said = matches!(manner, Manner::Completes | Manner::Closes);
        if transport == Transport::WebSocket || !is_said {
            break manner;
        }
    };
    let post = random.usize(0..POSTS);
    if random.bool() {
        places.remove(&post);
    }
    let after = places.get(&post).map(|(cursor, _)| cursor.clone());
    let variables = json!({"post": writer::id(post)});
    let mut all = variables.clone();
    all["after"] = after.clone().unwrap_or_default();
    let mut requests = vec![Request {
        document: ADDED,
        variables: all,
    }];
    for document in [VIEWERS, TYPING] {
        if random.bool() {
            let variables = variables.clone();
            requests.push(Request {
                document,
                variables,
            });
        }
    }
    let until = Instant::now() + LONGEST_LIFE.mul_f64(random.f64());
    let is_slow = manner == Manner::ReadsSlowly;
    let mut line = Line::open(world.address, transport, &requests, is_slow)?;

    let followed = follow(world, &mut line, until, post, places);
    world.tally.lives.fetch_add(1, Ordering::Relaxed);
    world.tally.manners[manner as usize].fetch_add(1, Ordering::Relaxed);
    if after.is_some() {
        world.tally.resumed.fetch_add(1, Ordering::Relaxed);
    }
    match followed {
        // A slow reader may be disconnected, and then reconnects.
        Err(Fault::Ended(_)) if is_slow => return Ok(()),
        // Any operation may be refused for a moment while the disk is busy.
        Err(Fault::Said(message)) if message.contains(writer::UNAVAILABLE) => {
            world.tally.unavailable.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        followed => followed?,
    }
    match manner {
        Manner::Completes => {
            line.complete(requests.len())?;
            line.close()
        }
        Manner::Closes => line.close(),
        Manner::Leaves | Manner::ReadsSlowly => Ok(()),
        Manner::Resets => line.reset(),
        Manner::FallsSilent => {
            // The keeper of silent connections lives as long as the readers do.
            let _ = bury.send(Silent {
                line,
                since: Instant::now(),
            });
            Ok(())
        }
    }
}

/// Reads messages, and checks that each comment comes once and in order.
fn follow(
    world: &World,
    line: &mut Line,
    until: Instant,
    post: usize,
    places: &mut Places,
) -> Result<(), Fault> {
    while let Some(message) = line.next(until.min(world.until))? {
        let payload = &message["payload"];
        if message["type"] != "next" || payload.get("errors").is_some() {
            return Err(Fault::Said(message.to_string()));
        }
        let added = &payload["data"]["commentAdded"];
        let Some(got) = added["body"].as_str().and_then(writer::number) else {
            continue;
        };
        if let Some((_, last)) = places.get(&post) {
            let due = last + 1;
            if got != due {
                return Err(Fault::Order { got, due });
            }
        }
        places.insert(post, (added["cursor"].clone(), got));
        world.tally.comments.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
