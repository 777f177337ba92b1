//! The users who take part in a post's conversation.

use std::sync::Arc;

use futures_util::TryStreamExt;
use sea_orm::{ConnectionTrait, DatabaseConnection, FromQueryResult, Statement, StreamTrait};

use super::visibility::PUBLISHED;
use crate::{
    error::Error,
    model::{PostId, User},
    store::{
        Allowance, Store,
        entity::user::Model,
        query::{Parameters, Taken},
        rows,
    },
    text::folded,
};

/// Maximum number of comments that are read for their authors, the newest ones.
const READ: u64 = 5_000;

/// A request for the users who take part.
#[derive(Clone, Debug)]
pub struct ParticipantsOf {
    /// The post, by its present id.
    pub post: PostId,
    /// The text that their names begin with, ignoring case.
    pub search: String,
    /// Maximum number of users.
    pub first: usize,
}

impl Store {
    /// Returns users with a comment among the post's newest 5,000 published ones, in the order of their latest
    /// comments, newest first. There are fewer where `allowance` ends.
    pub async fn participants(
        &self,
        of: ParticipantsOf,
        allowance: Arc<dyn Allowance>,
    ) -> Result<Vec<User>, Error> {
        self.read(move |connection| {
            let (of, allowance) = (of.clone(), Arc::clone(&allowance));
            async move { read(&of, &*allowance, &connection).await }
        })
        .await
    }
}

async fn read(
    of: &ParticipantsOf,
    allowance: &dyn Allowance,
    connection: &DatabaseConnection,
) -> Result<Vec<User>, Error> {
    let search = folded(&of.search);
    let mut users = connection.stream_raw(authors(&of.post, connection)).await?;
    let (mut found, mut taken) = (Vec::new(), Taken::new(allowance));
    while found.len() < of.first
        && let Some(row) = users.try_next().await?
    {
        let user = rows::user(Model::from_query_result(&row, "")?)?;
        if !folded(&user.name).starts_with(&search) {
            continue;
        }
        if !taken.take(user.bytes())? {
            break;
        }
        found.push(user);
    }
    taken.keep();
    Ok(found)
}

/// Returns the statement for the authors of the newest comments, each once.
fn authors(post: &PostId, connection: &DatabaseConnection) -> Statement {
    let mut parameters = Parameters::new(ConnectionTrait::get_database_backend(connection));
    let post = parameters.place(post.as_str());
    parameters.statement(format!(
        "SELECT \"user\".* FROM ( \
         SELECT author_id, MAX(published_at) AS latest, MAX(added_seq) AS place FROM ( \
         SELECT author_id, published_at, added_seq FROM comment \
         WHERE post_id = {post} AND {PUBLISHED} ORDER BY published_at DESC LIMIT {READ} \
         ) AS newest GROUP BY author_id \
         ) AS author JOIN \"user\" ON \"user\".id = author.author_id \
         ORDER BY author.latest DESC, author.place DESC"
    ))
}
