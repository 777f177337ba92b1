//! The weight of a selection: about the number of fields that it resolves, and the bytes of its keys
//! and arguments. Its lists are as long as it asks for.

use async_graphql::Value as ConstValue;

use super::{normal_form::Field, variables::Variables};
use crate::{
    graphql::schema::page,
    model::{MAX_OWN_REACTIONS, ReactionContent},
};

/// The bytes beside each key: quotes, colon and comma.
const KEY_SYNTAX: u64 = 4;

/// The complexity of a page of comments beside that of its items. Each is a statement of its own.
/// Pages of replies by one field are read together, so each field counts as one. So an operation
/// runs at most 2,000 statements.
pub(super) const PAGE_COMPLEXITY: u64 = 25;
/// The complexity of a scan of a post's newest comments, which reads as much as many pages.
const SCAN_COMPLEXITY: u64 = 20 * PAGE_COMPLEXITY;
/// The lists of introspection, with about their lengths in this schema. No field of the schema
/// has one of these names.
const INTROSPECTION: [(&str, u64); 8] = [
    ("types", 45),
    ("fields", 5),
    ("args", 2),
    ("inputFields", 3),
    ("enumValues", 3),
    ("interfaces", 1),
    ("possibleTypes", 1),
    ("directives", 4),
];

/// The source of the lengths of an operation's lists.
#[derive(Clone, Copy)]
pub(super) struct Lengths<'a> {
    pub(super) variables: &'a Variables,
    /// Maximum number of a comment's ancestors.
    pub(super) reply_depth: u32,
}

/// The weight of a selection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weight {
    /// Complexity of the fields, as often as they are resolved.
    fields: u64,
    /// Complexity of pages that are read together, however often their field is resolved.
    pages: u64,
    /// Size of the keys, as often as they are written.
    pub(super) key_bytes: u64,
    /// Size of the values of arguments.
    pub(super) argument_bytes: usize,
}

impl Weight {
    /// Returns the complexity of a selection that is resolved `times` times.
    pub(super) fn cost(&self, times: u64) -> u64 {
        self.fields.saturating_mul(times).saturating_add(self.pages)
    }

    /// Returns the weight of `fields` and all that they select.
    pub(super) fn of(fields: &[Field], lengths: Lengths<'_>) -> Self {
        let mut sum = Self::default();
        for field in fields {
            let selection = Self::of(&field.selection, lengths);
            let length = lengths.of(field);
            let (own, pages) = match field.name.as_str() {
                "comments"
                | "allComments"
                | "recentComments"
                | "unpublishedComments"
                | "postsById" => (PAGE_COMPLEXITY, 0),
                "participants" => (SCAN_COMPLEXITY, 0),
                "replies" | "post" | "parent" | "ancestors" | "pinnedComment" | "reports"
                | "moderator" | "reactions" | "score" => (1, PAGE_COMPLEXITY),
                _ => (1, 0),
            };
            let key = u64::try_from(field.response_name().len()).unwrap_or(u64::MAX);
            let add = u64::saturating_add;
            sum.fields = add(
                sum.fields,
                add(selection.fields.saturating_mul(length), own),
            );
            sum.pages = add(sum.pages, add(selection.pages, pages));
            let keys = add(
                selection.key_bytes.saturating_mul(length),
                add(key, KEY_SYNTAX),
            );
            sum.key_bytes = add(sum.key_bytes, keys);
            let arguments = field.arguments.iter();
            let arguments = arguments.map(|(_, value)| value.resolved_bytes(lengths.variables));
            sum.argument_bytes += arguments.sum::<usize>() + selection.argument_bytes;
        }
        sum
    }
}

impl Lengths<'_> {
    /// Returns the number of times that the selection of a field is resolved.
    pub(super) fn of(self, field: &Field) -> u64 {
        // A scalar is no list of items.
        if field.selection.is_empty() {
            return 1;
        }
        let name = field.name.as_str();
        match name {
            "ancestors" => return self.reply_depth.into(),
            "reactions" if is_of_viewer(field) => return MAX_OWN_REACTIONS,
            "reactions" => return ReactionContent::ALL.len() as u64,
            "postsById" => {
                return match self.argument(field, "ids") {
                    Some(ConstValue::List(ids)) => items(ids.len() as u64),
                    _ => 1,
                };
            }
            _ => {}
        }
        let Some(usual) = page::default_first(name).map(|usual| usual.unsigned_abs().into()) else {
            let mut known = INTROSPECTION.iter();
            return known
                .find(|(list, _)| *list == name)
                .map_or(1, |(_, length)| *length);
        };
        items(match self.argument(field, "first") {
            Some(ConstValue::Number(first)) => first.as_u64().unwrap_or(usual),
            _ => usual,
        })
    }

    fn argument(self, field: &Field, name: &str) -> Option<ConstValue> {
        let mut arguments = field.arguments.iter();
        let argument = arguments.find(|(argument, _)| argument == name);
        argument.map(|(_, value)| value.resolve(self.variables))
    }
}

/// Returns a length of a list. The resolver refuses one that is longer than the maximum.
fn items(length: u64) -> u64 {
    length.clamp(1, page::MAX_FIRST.unsigned_abs().into())
}

/// Tells the reactions of the viewer to a post from those to a comment, which take no argument.
fn is_of_viewer(reactions: &Field) -> bool {
    !reactions.arguments.is_empty()
}
