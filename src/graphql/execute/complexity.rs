//! The complexity of an operation, and the limits of what it takes.

use async_graphql::{ErrorExtensionValues, Pos, ServerError, Value as ConstValue};

use super::{
    costliest::Costliest,
    normal_form::NormalForm,
    operation::OperationKind,
    variables::Variables,
    weight::{Lengths, Weight},
};
use crate::graphql::{error::request_error, error_code::ErrorCode};

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
    fn posts_by_id_are_as_many_as_their_ids() {
        let query = "query($ids: [ID!]!) { postsById(ids: $ids) {
            allComments(first: 100) { nodes { id body createdAt author { name } } } } }";
        let ids = |count: usize| serde_json::json!({"ids": vec!["p"; count]});
        assert_eq!(check_with(query, ids(50)), Ok(()));
        assert_too_complex(check_with(query, ids(100)));
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
