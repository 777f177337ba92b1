// Holds graphql-js 17, which knows the edition of September 2026, to that of September 2025.

import {
  __Directive,
  __DirectiveLocation,
  buildSchema,
  MaxIntrospectionDepthRule,
  specifiedDirectives,
  specifiedRules,
} from 'graphql';

/** Options without which `{ }` is a selection set. */
export const EDITION = { allowEmptySelectionSets: false };

/** The rules of the specification. The bound on the depth of introspection is of no edition. */
export const RULES = specifiedRules.filter((rule) => rule !== MaxIntrospectionDepthRule);

// Directives could not be deprecated, and had fewer locations. An intended difference: the argument `includeDeprecated` of
// `__Schema.directives` stays, because the server's introspection cannot do without it (docs/upstream.md).
delete __Directive.getFields().isDeprecated;
delete __Directive.getFields().deprecationReason;
const isLater = (location) => ['DIRECTIVE_DEFINITION', 'FRAGMENT_VARIABLE_DEFINITION'].includes(location);
const locations = __DirectiveLocation.getValues();
locations.splice(0, locations.length, ...locations.filter(({ name }) => !isLater(name)));
for (const directive of specifiedDirectives) {
  directive.locations = directive.locations.filter((location) => !isLater(location));
}

/** Returns the schema of a text, with every directive of the edition. */
export const schemaOf = (text) => buildSchema(text);
