//! The complexity of an operation: about the number of fields that it resolves, with its lists as
//! long as it asks for.

use async_graphql::{ErrorExtensionValues, Pos, ServerError, Value as ConstValue};

use super::{
    normal_form::{Field, NormalForm, Value},
    operation::OperationKind,
    variables::Variables,
};
use crate::graphql::{error::request_error, error_code::ErrorCode, schema::page};

/// Maximum complexity of a query or mutation.
const MAX_COMPLEXITY: u64 = 50_000;
/// Maximum complexity of a subscription, which is executed for each event.
const MAX_SUBSCRIPTION_COMPLEXITY: u64 = 5_000;
/// Maximum size of a subscription and the values of its variables in memory, where they are kept as long
/// as it lives.
const MAX_SUBSCRIPTION_BYTES: usize = 64 * 1024;
/// Maximum size of the values of all arguments, in bytes. A variable counts as often as it is used.
const MAX_ARGUMENT_BYTES: usize = 1024 * 1024;
/// Maximum size of all keys in a response, in bytes, with its lists as long as it asks for.
const MAX_KEY_BYTES: u64 = 4 * 1024 * 1024;
/// The bytes beside each key: quotes, colon and comma.
const KEY_SYNTAX: u64 = 4;

/// The complexity of a page of comments beside that of its items. Each is a statement of its own.
/// Pages of replies by one field are read together, so each field counts as one. So an operation
/// runs at most 2,000 statements.
const PAGE_COMPLEXITY: u64 = 25;
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

/// Maximum number of fields at the root of a mutation. Each is a transaction of its own.
const MAX_MUTATION_FIELDS: usize = 10;

/// The reason why an operation is too complex.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooComplex {
    #[error("The operation costs {cost}, and at most {limit} is allowed. {costliest}")]
    Complexity {
        cost: u64,
        limit: u64,
        costliest: Costliest,
    },
    #[error(
        "The names of the response's fields would take {0} bytes, and at most {MAX_KEY_BYTES} are \
         allowed."
    )]
    Keys(u64),
    #[error(
        "The values of the arguments take {0} bytes, and at most {MAX_ARGUMENT_BYTES} are allowed."
    )]
    Arguments(usize),
    #[error(
        "The subscription and the values of its variables take {0} bytes, and at most \
         {MAX_SUBSCRIPTION_BYTES} are kept."
    )]
    Subscription(usize),
    #[error(
        "The mutation has {0} fields at its root, and at most {MAX_MUTATION_FIELDS} are allowed."
    )]
    MutationFields(usize),
}

impl TooComplex {
    /// Returns the error that tells the client, at the operation's position.
    pub(super) fn error(&self, position: Pos) -> ServerError {
        let mut error = ServerError::new(self.to_string(), Some(position));
        if let Self::Complexity {
            cost,
            limit,
            costliest,
        } = self
        {
            let path = costliest.path.iter();
            let path = path.map(|name| ConstValue::from(name.as_str())).collect();
            let mut extensions = ErrorExtensionValues::default();
            extensions.set("cost", *cost);
            extensions.set("limit", *limit);
            extensions.set("path", ConstValue::List(path));
            error.extensions = Some(extensions);
        }
        request_error(ErrorCode::QueryTooExpensive, error)
    }
}

/// Returns the size of the values of all arguments, in bytes.
///
/// # Errors
///
/// Refuses an operation that is too complex with these values of its variables. A comment has at most
/// `reply_depth` ancestors.
pub(super) fn check(
    form: &NormalForm,
    variables: &Variables,
    reply_depth: u32,
) -> Result<usize, TooComplex> {
    let lengths = Lengths {
        variables,
        reply_depth,
    };
    if form.kind == OperationKind::Mutation && form.fields.len() > MAX_MUTATION_FIELDS {
        return Err(TooComplex::MutationFields(form.fields.len()));
    }
    let limit = match form.kind {
        OperationKind::Subscription => MAX_SUBSCRIPTION_COMPLEXITY,
        OperationKind::Query | OperationKind::Mutation => MAX_COMPLEXITY,
    };
    let weight = Weight::of(&form.fields, lengths);
    let cost = weight.cost(1);
    if cost > limit {
        let costliest = Costliest::of(&form.fields, lengths, cost);
        return Err(TooComplex::Complexity {
            cost,
            limit,
            costliest,
        });
    }
    if weight.key_bytes > MAX_KEY_BYTES {
        return Err(TooComplex::Keys(weight.key_bytes));
    }
    if weight.argument_bytes > MAX_ARGUMENT_BYTES {
        return Err(TooComplex::Arguments(weight.argument_bytes));
    }
    let kept = form.bytes() + variables.bytes();
    if form.kind == OperationKind::Subscription && kept > MAX_SUBSCRIPTION_BYTES {
        return Err(TooComplex::Subscription(kept));
    }
    Ok(weight.argument_bytes)
}

/// The source of the lengths of an operation's lists.
#[derive(Clone, Copy)]
struct Lengths<'a> {
    variables: &'a Variables,
    /// Maximum number of a comment's ancestors.
    reply_depth: u32,
}

/// The weight of a selection.
#[derive(Clone, Copy, Debug, Default)]
struct Weight {
    /// Complexity of the fields, as often as they are resolved.
    fields: u64,
    /// Complexity of pages that are read together, however often their field is resolved.
    pages: u64,
    /// Size of the keys, as often as they are written.
    key_bytes: u64,
    /// Size of the values of arguments.
    argument_bytes: usize,
}

/// The list of an operation that costs most, or a field at its root without lists.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Most of it is `{}`, with {cost}.", path.join("."))]
pub(super) struct Costliest {
    /// The names in the response, from the root on.
    path: Vec<String>,
    cost: u64,
}

impl Costliest {
    /// Follows the costliest field of each selection, as long as it has half of the operation's `total`.
    /// Of the fields on the way it returns the innermost list.
    fn of(mut fields: &[Field], lengths: Lengths<'_>, total: u64) -> Self {
        let (mut path, mut times) = (Vec::new(), 1_u64);
        let mut costliest = Self {
            path: Vec::new(),
            cost: 0,
        };
        loop {
            let costs = fields.iter().rev().map(|field| {
                let weight = Weight::of(std::slice::from_ref(field), lengths);
                (field, weight.cost(times))
            });
            let Some((field, cost)) = costs.max_by_key(|(_, cost)| *cost) else {
                return costliest;
            };
            if !path.is_empty() && cost < total / 2 {
                return costliest;
            }
            path.push(field.response_name().to_string());
            let length = lengths.of(field);
            if path.len() == 1 || length > 1 {
                costliest = Self {
                    path: path.clone(),
                    cost,
                };
            }
            times = times.saturating_mul(length);
            fields = &field.selection;
        }
    }
}

impl Weight {
    /// Returns the complexity of a selection that is resolved `times` times.
    fn cost(&self, times: u64) -> u64 {
        self.fields.saturating_mul(times).saturating_add(self.pages)
    }

    fn of(fields: &[Field], lengths: Lengths<'_>) -> Self {
        let mut sum = Self::default();
        for field in fields {
            let selection = Self::of(&field.selection, lengths);
            let length = lengths.of(field);
            let (own, pages) = match field.name.as_str() {
                "comments" | "allComments" => (PAGE_COMPLEXITY, 0),
                "replies" | "post" | "parent" | "ancestors" => (1, PAGE_COMPLEXITY),
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
    fn of(self, field: &Field) -> u64 {
        let name = field.name.as_str();
        if name == "ancestors" {
            return self.reply_depth.into();
        }
        let Some(usual) = page::default_first(name) else {
            let mut known = INTROSPECTION.iter();
            return known
                .find(|(list, _)| *list == name)
                .map_or(1, |(_, length)| *length);
        };
        let mut arguments = field.arguments.iter();
        let first = arguments.find(|(name, _)| name == "first");
        let first = first.and_then(|(_, value)| number(value, self.variables));
        // The resolver refuses a page that is longer than the maximum.
        first
            .unwrap_or_else(|| usual.unsigned_abs().into())
            .clamp(1, page::MAX_FIRST.unsigned_abs().into())
    }
}

fn number(value: &Value, variables: &Variables) -> Option<u64> {
    match value.resolve(variables) {
        ConstValue::Number(number) => number.as_u64(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::execute::testing;

    const REPLY_DEPTH: u32 = 32;

    fn check(text: &str) -> Result<(), TooComplex> {
        check_with(text, serde_json::json!({}))
    }

    /// Asserts that a check has refused the complexity, and not another limit.
    fn assert_too_complex(result: Result<(), TooComplex>) {
        assert!(
            matches!(result, Err(TooComplex::Complexity { .. })),
            "{result:?}"
        );
    }

    fn check_with(text: &str, variables: serde_json::Value) -> Result<(), TooComplex> {
        let (form, variables) = testing::normal_form(text, variables);
        super::check(&form, &variables, REPLY_DEPTH).map(drop)
    }

    #[test]
    fn page_of_comments_with_replies_is_accepted() {
        let page = "{ post(id: \"p\") { title comments(first: 100) { nodes {
            id body author { name } replies(first: 20) { nodes { id body author { name } } } } } } }";
        assert_eq!(check(page), Ok(()));
    }

    #[test]
    fn lists_multiply() {
        let lists = "{ posts(first: 100) { nodes { comments(first: 100) { nodes {
            replies(first: 100) { nodes { id } } } } } } }";
        assert_too_complex(check(lists));
    }

    #[test]
    fn refusal_names_the_innermost_list_that_costs_most() {
        let refused = |text: &str| match check(text) {
            Err(TooComplex::Complexity {
                cost, costliest, ..
            }) => (cost, costliest.path.join("."), costliest.cost),
            other => panic!("{other:?}"),
        };
        let lists = "{ me { id } all: posts(first: 100) { nodes { id
            comments(first: 100) { nodes { body few: replies(first: 1) { nodes { id } }
                replies(first: 100) { nodes { id } } } } } } }";
        // Each comment costs 2, and its replies 1 and 2 each.
        let comments = 100 * 100 * (2 + 3 + 201);
        let posts = 1 + 100 * (2 + PAGE_COMPLEXITY) + comments;
        let total = 2 + posts + 2 * PAGE_COMPLEXITY;
        let replies = 100 * 100 * 201 + PAGE_COMPLEXITY;
        let path = "all.nodes.comments.nodes.replies".to_owned();
        assert_eq!(refused(lists), (total, path, replies));

        let alias = |number| {
            format!("a{number}: posts(first: 100) {{ nodes {{ id title url createdAt }} }} ")
        };
        let aliases: String = (0..110).map(alias).collect();
        let (cost, path, of_path) = refused(&format!("{{ {aliases} }}"));
        assert_eq!((cost, path.as_str(), of_path), (110 * 501, "a0", 501));
    }

    #[test]
    fn aliases_add_up() {
        let alias = |number: usize| {
            format!("a{number}: posts(first: 100) {{ nodes {{ id title url createdAt }} }} ")
        };
        let aliases = |count| format!("{{ {} }}", (0..count).map(alias).collect::<String>());
        assert_eq!(check(&aliases(90)), Ok(()));
        assert_too_complex(check(&aliases(110)));
    }

    #[test]
    fn long_keys_add_up_over_lists() {
        let keys = |length: usize| {
            let key = "k".repeat(length);
            format!(
                "{{ posts(first: 100) {{ nodes {{ comments(first: 100) {{
                    nodes {{ a{key}: id b{key}: id }} }} }} }} }}"
            )
        };
        assert_eq!(check(&keys(150)), Ok(()));
        assert!(matches!(check(&keys(250)), Err(TooComplex::Keys(_))));
    }

    #[test]
    fn slice_of_replies_costs_a_page_once() {
        let slices = |count: usize| {
            let slice =
                |number| format!("a{number}: replies(after: \"{number}\") {{ __typename }} ");
            let slices: String = (0..count).map(slice).collect();
            format!("subscription {{ commentAdded(postId: \"p\") {{ {slices} }} }}")
        };
        assert_eq!(check(&slices(100)), Ok(()));
        assert_too_complex(check(&slices(115)));
    }

    #[test]
    fn variable_counts_as_often_as_it_is_used() {
        let uses = |count: usize| {
            let uses: String = (0..count)
                .map(|number| format!("a{number}: comment(id: $id) {{ id }} "))
                .collect();
            let variables = serde_json::json!({"id": "x".repeat(200 * 1024)});
            check_with(&format!("query($id: ID!) {{ {uses} }}"), variables)
        };
        assert_eq!(uses(5), Ok(()));
        assert!(matches!(uses(6), Err(TooComplex::Arguments(_))));
    }

    #[test]
    fn subscription_and_its_variables_are_kept_within_a_size() {
        let text = "subscription($after: String) {
            commentAdded(postId: \"p\") { replies(after: $after) { __typename } } }";
        let check = |length| {
            let variables = serde_json::json!({"after": "x".repeat(length)});
            check_with(text, variables)
        };
        assert_eq!(check(MAX_SUBSCRIPTION_BYTES / 2), Ok(()));
        let refused = check(MAX_SUBSCRIPTION_BYTES);
        assert!(matches!(refused, Err(TooComplex::Subscription(_))));
    }

    #[test]
    fn page_of_comments_costs_a_statement() {
        let pages = |aliases: usize| {
            let page = |number| format!("a{number}: comments(first: 1) {{ __typename }} ");
            let pages: String = (0..aliases).map(page).collect();
            format!("{{ posts(first: 100) {{ nodes {{ {pages} }} }} }}")
        };
        assert_eq!(check(&pages(15)), Ok(()));
        assert_too_complex(check(&pages(20)));
    }

    #[test]
    fn page_is_as_long_as_its_variable_or_default_says() {
        let lists = |default: u32| {
            format!(
                "query($n: Int = {default}) {{ posts(first: $n) {{ nodes {{ comments(first: $n) {{
                    nodes {{ replies(first: $n) {{ nodes {{ id }} }} }} }} }} }} }}"
            )
        };
        assert_eq!(check(&lists(10)), Ok(()));
        assert_too_complex(check(&lists(100)));
        let check = |first: u32| check_with(&lists(10), serde_json::json!({"n": first}));
        assert_eq!(check(10), Ok(()));
        assert_too_complex(check(100));
    }

    #[test]
    fn introspection_of_tools_is_accepted_and_cycles_are_not() {
        let types = "kind name ".to_owned() + &"ofType { kind name ".repeat(9) + &"}".repeat(9);
        let input = format!(
            "name description type {{ {types} }} defaultValue isDeprecated deprecationReason"
        );
        let whole = format!(
            "{{ __schema {{ description queryType {{ name kind }} mutationType {{ name kind }}
                subscriptionType {{ name kind }}
                types {{ kind name description specifiedByURL isOneOf
                    fields(includeDeprecated: true) {{ name description
                        args(includeDeprecated: true) {{ {input} }}
                        type {{ {types} }} isDeprecated deprecationReason }}
                    inputFields(includeDeprecated: true) {{ {input} }}
                    interfaces {{ {types} }}
                    enumValues(includeDeprecated: true) {{
                        name description isDeprecated deprecationReason }}
                    possibleTypes {{ {types} }} }}
                directives {{ name description isRepeatable locations
                    args(includeDeprecated: true) {{ {input} }} }} }} }}"
        );
        assert_eq!(check(&whole), Ok(()));
        let circle = |times: usize| {
            let (open, close) = ("fields { type { ".repeat(times), "} }".repeat(times));
            format!("{{ __schema {{ types {{ {open} name {close} }} }} }}")
        };
        assert_eq!(check(&circle(3)), Ok(()));
        assert_too_complex(check(&circle(5)));
    }
}
