// Holds graphql-js 17, which knows the edition of September 2026, to that of September 2025.

import { __Directive, __DirectiveLocation, __Schema, MaxIntrospectionDepthRule, specifiedRules } from 'graphql';

/** Options without which `{ }` is a selection set. */
export const EDITION = { allowEmptySelectionSets: false };

/** The rules of the specification. The bound on the depth of introspection is of no edition. */
export const RULES = specifiedRules.filter((rule) => rule !== MaxIntrospectionDepthRule);

// Directives could not be deprecated, nor have directives.
delete __Directive.getFields().isDeprecated;
delete __Directive.getFields().deprecationReason;
__Schema.getFields().directives.args.length = 0;
const locations = __DirectiveLocation.getValues();
locations.splice(locations.findIndex(({ name }) => name === 'DIRECTIVE_DEFINITION'), 1);
