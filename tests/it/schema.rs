//! The schema as the public contract: the file in the repository, the output of the command and the agreed
//! contract are the same.

use std::collections::BTreeSet;

use apollo_compiler::ast::{
    Definition, Document, FieldDefinition, InputValueDefinition, OperationType,
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
        let document = Document::parse(sdl, "schema.graphql").expect("a schema");
        let mut facts = Self::default();
        let mut roots = [
            OperationType::Query,
            OperationType::Mutation,
            OperationType::Subscription,
        ]
        .map(|operation| (operation, operation.default_type_name().to_string()))
        .to_vec();
        for definition in &document.definitions {
            match definition {
                Definition::ScalarTypeDefinition(of) => facts.add_type(&of.name, "scalar"),
                Definition::EnumTypeDefinition(of) => {
                    facts.add_type(&of.name, "enum");
                    let values = of.values.iter();
                    facts
                        .all
                        .extend(values.map(|value| format!("{}.{}", of.name, value.value)));
                }
                Definition::ObjectTypeDefinition(of) => {
                    facts.add_type(&of.name, "type");
                    let implemented = of.implements_interfaces.iter();
                    facts
                        .all
                        .extend(implemented.map(|name| format!("{} implements {name}", of.name)));
                    for field in &of.fields {
                        facts.add_field(&of.name, field);
                    }
                }
                Definition::InputObjectTypeDefinition(of) => {
                    facts.add_type(&of.name, "input");
                    for field in &of.fields {
                        facts.add_input(&of.name, |text| format!("{}.{text}", of.name), field);
                    }
                    facts.owners.insert(of.name.to_string());
                }
                // The contract has none, and clients cannot meet one.
                Definition::InterfaceTypeDefinition(of) => facts.add_type(&of.name, "interface"),
                Definition::UnionTypeDefinition(of) => facts.add_type(&of.name, "union"),
                Definition::SchemaDefinition(schema) => {
                    let operations = schema.root_operations.iter();
                    roots = operations
                        .map(|root| (root.0, root.1.to_string()))
                        .collect();
                }
                _ => {}
            }
        }
        for (operation, root) in roots {
            if facts.all.contains(&format!("{root} is a type")) {
                let operation = operation.name();
                facts
                    .all
                    .insert(format!("schema {{ {operation}: {root} }}"));
            }
        }
        facts
    }

    fn add_type(&mut self, name: &str, kind: &str) {
        self.all.insert(format!("{name} is a {kind}"));
    }

    fn add_field(&mut self, of: &str, field: &FieldDefinition) {
        let owner = format!("{of}.{}", field.name);
        for argument in &field.arguments {
            self.add_input(&owner, |text| format!("{owner}({text})"), argument);
        }
        self.all.insert(format!("{owner}: {}", field.ty));
        self.owners.insert(owner);
    }

    fn add_input(
        &mut self,
        owner: &str,
        shown: impl Fn(&str) -> String,
        input: &InputValueDefinition,
    ) {
        let mut text = format!("{}: {}", input.name, input.ty);
        if let Some(default) = &input.default_value {
            text = format!("{text} = {default}");
        }
        let fact = shown(&text);
        if input.is_required() {
            self.required.insert((owner.to_owned(), fact.clone()));
        }
        self.all.insert(fact);
    }
}
