// Holds graphql-js 17, which knows the edition of September 2026, to that of September 2025.

import {
  __Directive,
  __DirectiveLocation,
  __Schema,
  buildSchema,
  GraphQLSchema,
  MaxIntrospectionDepthRule,
  specifiedDirectives,
  specifiedRules,
} from 'graphql';

/** Options without which `{ }` is a selection set. */
export const EDITION = { allowEmptySelectionSets: false };

/** The rules of the specification. The bound on the depth of introspection is of no edition. */
export const RULES = specifiedRules.filter((rule) => rule !== MaxIntrospectionDepthRule);

// Directives could not be deprecated, and had fewer locations.
delete __Directive.getFields().isDeprecated;
delete __Directive.getFields().deprecationReason;
__Schema.getFields().directives.args.length = 0;
const isLater = (location) => ['DIRECTIVE_DEFINITION', 'FRAGMENT_VARIABLE_DEFINITION'].includes(location);
const locations = __DirectiveLocation.getValues();
locations.splice(0, locations.length, ...locations.filter(({ name }) => !isLater(name)));
for (const directive of specifiedDirectives) {
  directive.locations = directive.locations.filter((location) => !isLater(location));
}

/** Returns the schema of a text with the directives that it names: those of the library that it does not need are optional. */
export function schemaOf(text) {
  const config = buildSchema(text).toConfig();
  return new GraphQLSchema({
    ...config,
    directives: config.directives.filter(({ name }) => text.includes(`@${name}`)),
  });
}
