// The differences that are intended, each with its reason. Any other is a fault of the server.
//
// Two are not in the tables below. `edition.mjs` has one. The other: a condition of @skip or @include that is null through a
// variable with a default refuses the whole operation, before any of it is done; graphql-js fails the field around it.

import { LIMITS, PARSING, VALIDATION } from './stages.mjs';

/** Returns the stages at which the server may end, where the reference ends as `expected`. */
export function stagesAllowed({ stage: written }, { stage, document }) {
  // The server refuses what is too large or costs too much (docs/limits.md); graphql-js has no such bound.
  if (written === LIMITS) return [LIMITS];
  // Section 2.2: «services which only seek to provide GraphQL query execution may choose to only include
  // ExecutableDefinition»: to those a type definition is not GraphQL, to others it breaks a rule.
  if (stage === VALIDATION && document?.definitions.some(isOfTypeSystem)) return [VALIDATION, PARSING];
  return [stage];
}

const isOfTypeSystem = ({ kind }) => !['OperationDefinition', 'FragmentDefinition'].includes(kind);
