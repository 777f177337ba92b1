// The words in which tables of cases are written. Each says how far a request must come.

import { EXECUTION, LIMITS, OPENING, PARSING, VALIDATION } from './stages.mjs';

const at = (stage) => (title, query, variables, options) => ({ title, query, variables, stage, ...options });

/** A request that is executed, with or without field errors. */
export const valid = at(EXECUTION);
/** A request that breaks a rule of the specification, or whose variables do not fit. */
export const invalid = at(VALIDATION);
/** A document that is not GraphQL. */
export const malformed = at(PARSING);
/** A subscription that its resolver refuses. */
export const unopened = at(OPENING);
/** A request that the server does not take because of its size or cost. */
export const tooLarge = at(LIMITS);
