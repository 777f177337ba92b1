//! The health check of the database.

use sea_orm::{EntityTrait, QuerySelect, QueryTrait};

use super::{
    Store,
    entity::post::{Column, Entity},
    query::select_limited,
};
use crate::error::Error;

impl Store {
    /// Reads one id from the table of posts, over the connections that queries use.
    pub async fn ping(&self) -> Result<(), Error> {
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
}
