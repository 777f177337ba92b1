// Compares the server's answer with the reference's. A difference is a line of text; none means that they agree.

import { EXECUTION, LIMITS, OPENING, PARSING, VALIDATION } from './stages.mjs';

const STAGES = {
  GRAPHQL_PARSE_FAILED: PARSING,
  GRAPHQL_VALIDATION_FAILED: VALIDATION,
  QUERY_TOO_EXPENSIVE: LIMITS,
};

/** Returns the differences between what the reference and the server answered to `query`. */
export function differences(query, allowed, expected, actual) {
  if (actual.fault) return [actual.fault];
  const found = faultsOfForm(query, expected, actual);
  const stage = stageOf(actual);
  if (!allowed.includes(stage)) found.push(`expected ${allowed.join(' or ')}, and found ${stage}`);
  else if (stage === EXECUTION) found.push(...differencesOfResults(expected, actual));
  return found;
}

/** Returns how far the server came with a request. */
export function stageOf({ data, errors = [] }) {
  if (data !== undefined) return EXECUTION;
  const [stage = OPENING, ...others] = new Set(errors.map(({ extensions }) => STAGES[extensions?.code]));
  return others.length === 0 ? stage : 'several stages at once';
}

/** Returns what is wrong with the errors whatever was asked (section 7.1 of the specification). */
function faultsOfForm(query, expected, { data, errors }) {
  if (errors === undefined) return data === undefined ? ['neither data nor errors'] : [];
  if (!Array.isArray(errors) || errors.length === 0) return ['errors are an empty list, or no list'];
  const isAboutPlace = data === undefined && hasPlace(expected);
  const lines = query.split(/\r\n|\n|\r/);
  const isPlace = ({ line, column }) => line >= 1 && line <= lines.length && column >= 1;
  return errors.flatMap((error) => {
    const faults = [];
    if (typeof error.message !== 'string' || error.message === '') faults.push('an error without a message');
    if (typeof error.extensions?.code !== 'string') faults.push('an error without a code');
    if (!error.locations && isAboutPlace) faults.push(`an error without locations: ${error.message}`);
    if (error.locations && !(error.locations.length > 0 && error.locations.every(isPlace))) {
      faults.push(`locations outside of the document: ${JSON.stringify(error.locations)}`);
    }
    return faults;
  });
}

/** Tells whether a refusal is about places in the document. That it has no operation at all is about none. */
function hasPlace({ errors, document }) {
  const isOperation = ({ kind }) => kind === 'OperationDefinition';
  return errors?.every(({ locations }) => locations) && document?.definitions.some(isOperation) !== false;
}

function differencesOfResults(expected, actual) {
  const found = [];
  if (JSON.stringify(actual.data) !== JSON.stringify(expected.data)) found.push('the data differ');
  const paths = (actual.errors ?? []).map(({ path }) => JSON.stringify(path));
  const possible = new Set(expected.possible.map((path) => JSON.stringify(path)));
  for (const path of paths) if (!possible.has(path)) found.push(`no field fails at ${path}`);
  if (new Set(paths).size < paths.length) found.push('one place has several errors');
  const [wanted, given] = [expected, actual].map(nulledPlaces);
  if (wanted !== given) found.push(`errors should have nulled ${wanted}, and nulled ${given}`);
  return found;
}

/**
 * Returns the places that became null by an error. Several errors may null one place, and the specification lets
 * a server tell all of them or the first (section 6.4.4).
 */
function nulledPlaces({ data, errors = [] }) {
  const places = errors.map(({ path = [] }) => {
    let value = data;
    const end = path.findIndex((key) => {
      if (value === null || value === undefined) return true;
      value = value[key];
      return false;
    });
    return JSON.stringify(path.slice(0, end === -1 ? path.length : end));
  });
  return [...new Set(places)].sort().join(' ') || 'nothing';
}
