//! The schema, as the library executes it and as a document.

use std::sync::Arc;

use apollo_compiler::{
    Schema as Document, ast::DirectiveLocation, schema::ExtendedType, validation::Valid,
};
use async_graphql::{SDLExportOptions, Schema, SchemaBuilder, ValidationMode};

use super::schema::{Mutation, Query, SubscriptionRoot};

/// The description of the schema. The library cannot print one.
const DESCRIPTION: &str = "Comments on the posts of a website. `Post.cursor` and the subscription \
    `commentChanged` let a page follow a post without gaps; a subscription is also the membership of \
    the post's room. Errors carry `extensions.code`.";

/// Builds the schema. Every document is valid before it comes here, so the library validates none.
pub(super) fn schema() -> SchemaBuilder<Query, Mutation, SubscriptionRoot> {
    Schema::build(Query, Mutation, SubscriptionRoot).validation_mode(ValidationMode::Fast)
}

/// Returns the schema in GraphQL's schema definition language.
pub fn sdl() -> String {
    let options = SDLExportOptions::new()
        .prefer_single_line_descriptions()
        .include_specified_by();
    let printed = schema().finish().sdl_with_options(options);
    printed.replacen("\nschema {", &format!("\n\"{DESCRIPTION}\"\nschema {{"), 1)
}

/// Returns the schema for validation and introspection, of the September 2025 edition.
///
/// # Panics
///
/// Panics if the exported schema is invalid. The unit tests below exclude that.
pub(super) fn schema_document() -> Arc<Valid<Document>> {
    let mut document = Document::parse(sdl(), "schema.graphql").expect("the schema parses");
    remove_later_editions(&mut document);
    Arc::new(document.validate().expect("the schema is valid"))
}

/// Removes the September 2026 edition's introspection, as far as apollo-compiler can do without: it
/// needs the argument of `__Schema.directives`.
fn remove_later_editions(document: &mut Document) {
    if let Some(ExtendedType::Object(directive)) = document.types.get_mut("__Directive") {
        let fields = &mut directive.make_mut().fields;
        fields.retain(|name, _| !matches!(name.as_str(), "isDeprecated" | "deprecationReason"));
    }
    if let Some(ExtendedType::Enum(locations)) = document.types.get_mut("__DirectiveLocation") {
        let values = &mut locations.make_mut().values;
        values.retain(|name, _| name != DirectiveLocation::DirectiveDefinition.name());
    }
    if let Some(deprecated) = document.directive_definitions.get_mut("deprecated") {
        let locations = &mut deprecated.make_mut().locations;
        locations.retain(|location| *location != DirectiveLocation::DirectiveDefinition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The normal form inlines every fragment, and variables are coerced without unions of fields.
    #[test]
    fn every_type_is_one_that_the_normal_form_is_exact_for() {
        for (name, of) in &schema_document().types {
            let is_abstract = of.is_interface() || of.is_union();
            assert!(!is_abstract, "{name}: extend normalize.rs first");
            let is_one_of = of.as_input_object().is_some_and(|of| of.is_one_of());
            assert!(!is_one_of, "{name}: extend variables.rs first");
        }
    }

    /// Coercion takes any scalar of the schema's own for a string.
    #[test]
    fn every_scalar_of_its_own_is_a_string() {
        let document = schema_document();
        let own = document
            .types
            .values()
            .filter(|of| of.is_scalar() && !of.is_built_in());
        let names: Vec<_> = own.map(|of| of.name().to_string()).collect();
        assert_eq!(names, ["Cursor", "DateTime"]);
    }
}
