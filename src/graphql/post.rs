//! `Post` as the schema shows it.

use async_graphql::{Context, ID, Object};

use super::{
    allowance::Allowance,
    answers::Outlook,
    comment::{self, Comment, CommentOrder},
    cursor::{self, Cursor},
    datetime::DateTime,
    error::Result,
    page::{self, Connection},
};
use crate::{
    model,
    rooms::Hub,
    store::{Order, Store},
};

/// A post as it stood when it was read.
#[derive(Clone, Debug)]
pub struct Post(pub model::Post);

/// What is commented on.
#[Object]
impl Post {
    /// The host site's own id.
    async fn id(&self) -> ID {
        self.0.id.as_str().into()
    }

    /// As the host site names it.
    async fn title(&self, context: &Context<'_>) -> Result<&str> {
        Ok(Allowance::take(context, &self.0.title)?)
    }

    /// Where it can be read, http or https.
    async fn url(&self, context: &Context<'_>) -> Result<Option<&str>> {
        let url = self.0.url.as_deref();
        Ok(url.map(|url| Allowance::take(context, url)).transpose()?)
    }

    /// When it was opened to comments.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// Comments that are not deleted.
    async fn comment_count(&self) -> i32 {
        i32::try_from(self.0.comment_count).unwrap_or(i32::MAX)
    }

    /// Readers in the room now. Asking does not join the room.
    async fn viewer_count(&self, context: &Context<'_>) -> i32 {
        Outlook::widen(context);
        let hub = context.data_unchecked::<Hub>();
        let viewers = hub.viewers(&self.0.id).await;
        i32::try_from(viewers).unwrap_or(i32::MAX)
    }

    /// Where the post's feed stands. Read it in the same query as the comments and subscribe with
    /// `after` set to it: no comment falls between the two, and none comes twice.
    async fn cursor(&self) -> Cursor {
        Cursor::new(&self.0.id, self.0.seq)
    }

    /// Top-level comments. At most 100 a page.
    async fn comments(
        &self,
        context: &Context<'_>,
        #[graphql(
            desc = "How many, 0 to 100.",
            default_with = "Some(page::DEFAULT_FIRST)"
        )]
        first: Option<i64>,
        #[graphql(
            desc = "Only what comes behind this edge's or page's cursor, in the order asked for."
        )]
        after: Option<String>,
        #[graphql(
            desc = "Oldest or newest first.",
            default_with = "CommentOrder::OldestFirst"
        )]
        order: CommentOrder,
    ) -> Result<Connection<Comment>> {
        let slice = page::slice(first, after, |text| cursor::decode(&self.0.id, text))?;
        let order = match order {
            CommentOrder::OldestFirst => Order::OldestFirst,
            CommentOrder::NewestFirst => Order::NewestFirst,
        };
        let store = context.data_unchecked::<Store>();
        let page = store.top_level(&self.0, order, slice).await?;
        let is_behind_cursor = slice.after.is_some();
        Ok(comment::connection(
            page,
            is_behind_cursor,
            Some(self.0.seq),
        ))
    }
}
