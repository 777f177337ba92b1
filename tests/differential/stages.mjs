// The stages at which a request may end.

/** The document is not GraphQL. */
export const PARSING = 'parsing';
/** The document, the operation's name or the variables do not fit the schema. */
export const VALIDATION = 'validation';
/** The request is larger than the server takes. */
export const LIMITS = 'limits';
/** A subscription was refused by its resolver. */
export const OPENING = 'opening';
/** The operation was executed: there are data, if only null. */
export const EXECUTION = 'execution';
