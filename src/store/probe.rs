//! Whether the database answers.

use sea_orm::{EntityTrait, QuerySelect, QueryTrait};

use super::{
    Store,
    entity::post::{Column, Entity},
    page::rows,
};
use crate::error::Error;

impl Store {
    /// Reads something small, as those do who read posts and comments.
    pub async fn answer(&self) -> Result<(), Error> {
        let query = Entity::find().select_only().column(Column::Id).into_query();
        self.read(move |readers| {
            let query = query.clone();
            async move {
                rows(&query, 1, &readers).await?;
                Ok(())
            }
        })
        .await
    }
}
