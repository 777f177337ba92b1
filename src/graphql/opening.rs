//! Opening a subscription as others have opened the same: what its resolver would do, without
//! validating and executing the operation anew.
//!
//! That the operation is valid is known, for it is one of a group. What is left to differ are the
//! arguments of the root field, and those are taken here only in their plain form. Whatever else
//! they are, and whatever goes wrong, the library is asked, which says it better.

use async_graphql::{Name, Value};

use super::{cursor, input, operation::Operation};
use crate::{
    feed::{View, Wish},
    model::PostId,
};

/// The post, and what is wished to be heard of it; `None` where that is for the library to say.
pub(super) fn wish_of(operation: &Operation) -> Option<(PostId, Wish)> {
    let (field, arguments) = operation.root()?;
    let argument = |name: &str| arguments.get(&Name::new(name));
    let Some(Value::String(post)) = argument("postId") else {
        return None;
    };
    let post = input::post_id(post).ok()?;
    let changes = |view| {
        let after = match argument("after") {
            None | Some(Value::Null) => None,
            Some(Value::String(after)) => Some(cursor::decode(&post, after).ok()?),
            Some(_) => return None,
        };
        let include_own = match argument("includeOwn") {
            None => false,
            Some(Value::Boolean(include_own)) => *include_own,
            Some(_) => return None,
        };
        Some(Wish::Changes {
            view,
            after,
            include_own,
        })
    };
    let wish = match field.as_str() {
        "commentAdded" => changes(View::Added)?,
        "commentChanged" => changes(View::Changed)?,
        "viewerCount" => Wish::Viewers,
        "typing" => Wish::Typing,
        _ => return None,
    };
    Some((post, wish))
}
