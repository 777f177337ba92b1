//! The health check of the database.

use sea_orm::{EntityTrait, QuerySelect, QueryTrait, sea_query::Expr};

use super::{
    Store,
    entity::{
        ban_counter,
        post::{Column, Entity},
    },
    query::select_limited,
};
use crate::error::Error;

impl Store {
    /// Checks that the database can be used. Reads one id from the table of posts, over the connections
    /// that queries use. If the last write found the database locked or full, also repeats a write.
    pub async fn ping(&self) -> Result<(), Error> {
        self.ping_reads().await?;
        if self.writer.is_obstructed() {
            self.ping_writes().await?;
        }
        Ok(())
    }

    async fn ping_reads(&self) -> Result<(), Error> {
        let query = Entity::find().select_only().column(Column::Id).into_query();
        self.read(move |connection| {
            let query = query.clone();
            async move {
                select_limited(&query, 1, &connection).await?;
                Ok(())
            }
        })
        .await
    }

    /// Writes a row as it is, which takes the lock and some bytes of the disk.
    async fn ping_writes(&self) -> Result<(), Error> {
        self.writer
            .write(|transaction| {
                Box::pin(async {
                    let column = ban_counter::Column::Value;
                    ban_counter::Entity::update_many()
                        .col_expr(column, Expr::col(column))
                        .exec(transaction)
                        .await?;
                    Ok(())
                })
            })
            .await
    }
}
