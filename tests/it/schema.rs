//! The schema as the public contract: the file in the repository, the output of the command and the agreed
//! contract are the same.

use std::collections::BTreeSet;

use async_graphql::parser::{
    parse_schema,
    types::{InputValueDefinition, TypeKind, TypeSystemDefinition},
};

use crate::support::{Program, causerie};

/// The contract as it was agreed with its users. It changes only with them.
const CONTRACT: &str = include_str!("contract.graphql");

#[tokio::test]
async fn schema_file_equals_the_printed_schema() {
    let printed = Program::run(&mut causerie(&["schema"])).await;
    assert!(printed.status.success());
    assert_eq!(
        printed.stdout,
        include_str!("../../schema.graphql"),
        "run: cargo run schema > schema.graphql"
    );
}

#[test]
fn schema_contains_the_unchanged_contract() {
    assert_eq!(
        differences(CONTRACT, &causerie::graphql::sdl()),
        Vec::<String>::new()
    );
}

#[test]
fn contract_comparison_finds_every_breaking_change() {
    let contract = "
        type Query { a(x: Int = 1, y: ID!): [Int!]! b: E }
        enum E { ONE TWO }
        input I { f: String g: Int! = 2 }
        scalar S
    ";
    let more = "
        \"Described.\" type Query { a(x: Int = 1, y: ID!, z: Int, w: Int! = 3): [Int!]! b: E c(n: ID!): E }
        enum E { TWO THREE ONE }
        input I { f: String g: Int! = 2 h: Int }
        scalar S scalar T
    ";
    assert_eq!(differences(contract, more), Vec::<String>::new());
    for (what, was, is, told) in [
        ("type dropped", "scalar S", "", "S is a scalar"),
        ("kind changed", "scalar S", "enum S { A }", "S is a scalar"),
        ("field dropped", "b: E }", "}", "Query.b: E"),
        ("type changed", "b: E }", "b: E! }", "Query.b: E"),
        ("list changed", "[Int!]!", "[Int]!", "Query.a: [Int!]!"),
        (
            "argument dropped",
            "x: Int = 1, ",
            "",
            "Query.a(x: Int = 1)",
        ),
        (
            "default changed",
            "Int = 1",
            "Int = 2",
            "Query.a(x: Int = 1)",
        ),
        (
            "argument required",
            "Int = 1",
            "Int!",
            "Query.a(x: Int = 1)",
        ),
        (
            "argument added",
            "y: ID!",
            "y: ID!, z: ID!",
            "Query.a(z: ID!)",
        ),
        ("value dropped", "ONE TWO", "ONE", "E.TWO"),
        ("input dropped", "f: String", "", "I.f: String"),
        ("input changed", "Int! = 2", "Int!", "I.g: Int! = 2"),
        ("input added", "f: String", "f: String e: ID!", "I.e: ID!"),
        (
            "root changed",
            "scalar S",
            "scalar S schema { query: R } type R { a: Int }",
            "query: Query",
        ),
    ] {
        let found = differences(contract, &contract.replacen(was, is, 1));
        assert!(
            found.iter().any(|difference| difference.contains(told)),
            "{what}: {found:?}"
        );
    }
}

/// Returns the breaches of the contract, each as a sentence.
fn differences(contract: &str, server: &str) -> Vec<String> {
    let (contract, server) = (Facts::of(contract), Facts::of(server));
    let missing = contract
        .all
        .difference(&server.all)
        .map(|fact| format!("the server has not: {fact}"));
    let demanded = server
        .required
        .iter()
        .filter(|(owner, fact)| contract.owners.contains(owner) && !contract.all.contains(fact))
        .map(|(_, fact)| format!("the server newly requires: {fact}"));
    missing.chain(demanded).collect()
}

/// A schema as a set of facts. A schema that has all facts of another can do everything the other can.
#[derive(Default)]
struct Facts {
    all: BTreeSet<String>,
    /// Fields with arguments, and input types.
    owners: BTreeSet<String>,
    /// Required arguments and input fields, each with its owner.
    required: BTreeSet<(String, String)>,
}

impl Facts {
    fn of(sdl: &str) -> Self {
        let document = parse_schema(sdl).expect("a schema");
        let mut facts = Self::default();
        let mut roots = ["Query", "Mutation", "Subscription"].map(|name| Some(name.to_owned()));
        for definition in document.definitions {
            match definition {
                TypeSystemDefinition::Type(of) => {
                    facts.add_type(of.node.name.node.as_str(), of.node.kind);
                }
                TypeSystemDefinition::Schema(schema) => {
                    let schema = schema.node;
                    roots = [schema.query, schema.mutation, schema.subscription]
                        .map(|root| root.map(|name| name.node.to_string()));
                }
                TypeSystemDefinition::Directive(_) => {}
            }
        }
        for (operation, root) in ["query", "mutation", "subscription"].iter().zip(roots) {
            if let Some(root) = root.filter(|root| facts.all.contains(&format!("{root} is a type")))
            {
                facts
                    .all
                    .insert(format!("schema {{ {operation}: {root} }}"));
            }
        }
        facts
    }

    fn add_type(&mut self, name: &str, kind: TypeKind) {
        let word = match kind {
            TypeKind::Scalar => "scalar",
            TypeKind::Object(object) => {
                for implemented in object.implements {
                    self.all.insert(format!("{name} implements {implemented}"));
                }
                for field in object.fields {
                    let field = field.node;
                    let owner = format!("{name}.{}", field.name);
                    for argument in field.arguments {
                        self.add_input(&owner, |text| format!("{owner}({text})"), argument.node);
                    }
                    self.all.insert(format!("{owner}: {}", field.ty));
                    self.owners.insert(owner);
                }
                "type"
            }
            TypeKind::Enum(values) => {
                for value in values.values {
                    self.all.insert(format!("{name}.{}", value.node.value));
                }
                "enum"
            }
            TypeKind::InputObject(object) => {
                for field in object.fields {
                    self.add_input(name, |text| format!("{name}.{text}"), field.node);
                }
                self.owners.insert(name.to_owned());
                "input"
            }
            // The contract has none, and clients cannot meet one.
            TypeKind::Interface(_) => "interface",
            TypeKind::Union(_) => "union",
        };
        self.all.insert(format!("{name} is a {word}"));
    }

    fn add_input(
        &mut self,
        owner: &str,
        shown: impl Fn(&str) -> String,
        input: InputValueDefinition,
    ) {
        let mut text = format!("{}: {}", input.name, input.ty);
        let is_required = !input.ty.node.nullable && input.default_value.is_none();
        if let Some(default) = input.default_value {
            text = format!("{text} = {default}");
        }
        let fact = shown(&text);
        if is_required {
            self.required.insert((owner.to_owned(), fact.clone()));
        }
        self.all.insert(fact);
    }
}
