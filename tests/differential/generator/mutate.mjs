// Turns a valid request into one that is perhaps not: a few tokens or values are others.

import { RESOLVERS } from '../model/resolvers.mjs';
import { fieldsOf } from './document.mjs';

const NAMES = [
  ...Object.keys(RESOLVERS).filter((type) => type !== 'SignInAsGuestPayload'),
  ...Object.keys(RESOLVERS).flatMap(fieldsOf),
  ...[
    'on',
    'query',
    'fragment',
    'mutation',
    'true',
    'null',
    'skip',
    'include',
    'if',
    'first',
    'after',
    'order',
    'id',
    'input',
  ],
  ...['F0', 'F1', 'v0', 'v1', 'Main', 'String', 'Int', 'ID', 'Boolean', 'CommentOrder', 'Nope', 'nope'],
].filter((name) => name !== 'createPost');
const VALUES = [
  '0',
  '1',
  '-1',
  '1.5',
  '1e1',
  '"x"',
  '""',
  '"""x"""',
  'true',
  'null',
  'NEWEST_FIRST',
  '[1]',
  '[]',
  '{}',
  '$v0',
  '"\\ud83e\\udd80"',
];
const PUNCTUATORS = ['{', '}', '(', ')', '[', ']', ':', '=', '!', '$', '@', '...', '&', '|', ','];
const IN_JSON = [0, 1, -1, 1.5, 'x', '', true, false, null, [], [1], {}, { a: 1 }, 'NEWEST_FIRST', '<POST>'];
/** Values for conditions. The specification leaves open what null comes to there. */
const NOT_NULL = IN_JSON.filter((value) => value !== null);

const isName = (token) => /^[A-Za-z_]/.test(token);
const isValue = (token) => /^["\d-]/.test(token) || ['true', 'false', 'null'].includes(token);

/** Ways to change a list of tokens in place. */
const EDITS = [
  (random, tokens) => tokens.splice(random.below(tokens.length), 1),
  (random, tokens) => tokens.splice(random.below(tokens.length), 2),
  duplicate,
  duplicate,
  (random, tokens) => swap(tokens, random.below(tokens.length), random.below(tokens.length)),
  (random, tokens) => swap(tokens, ...adjacent(random, tokens)),
  (random, tokens) => replace(random, tokens, isName, NAMES),
  (random, tokens) => replace(random, tokens, isName, NAMES),
  (random, tokens) => replace(random, tokens, isValue, VALUES),
  (random, tokens) => replace(random, tokens, isValue, VALUES),
  (random, tokens) => replace(random, tokens, () => true, PUNCTUATORS),
  (random, tokens) =>
    tokens.splice(random.below(tokens.length), 0, random.pick([...PUNCTUATORS, ...VALUES, ...NAMES])),
  join,
];

/** Returns the request with one to three changes. */
export function mutate(random, { tokens, variables, operationName }) {
  const request = { tokens: [...tokens], variables: structuredClone(variables), operationName };
  const count = 1 + random.below(3);
  for (let change = 0; change < count; change += 1) {
    if (random.chance(0.25)) changeVariables(random, request.variables);
    else random.pick(EDITS)(random, request.tokens);
  }
  return request;
}

function changeVariables(random, variables) {
  const names = Object.keys(variables);
  const name = names.length > 0 ? random.pick(names) : 'v0';
  if (random.chance(0.25)) delete variables[name];
  else if (isObject(variables[name]) && random.chance(0.7)) changeVariables(random, variables[name]);
  else {
    const values = typeof variables[name] === 'boolean' ? NOT_NULL : IN_JSON;
    variables[random.chance(0.9) ? name : 'other'] = structuredClone(random.pick(values));
  }
}

const isObject = (value) => value !== null && typeof value === 'object';

/** Repeats some tokens where they stand: a field, an argument, a definition, or a part of one. */
function duplicate(random, tokens) {
  const start = random.below(tokens.length);
  const length = 1 + random.below(random.pick([1, 4, 12]));
  tokens.splice(start, 0, ...tokens.slice(start, start + length));
}

function swap(tokens, one, other) {
  [tokens[one], tokens[other]] = [tokens[other], tokens[one]];
}

function adjacent(random, tokens) {
  const one = random.below(tokens.length - 1);
  return [one, one + 1];
}

function replace(random, tokens, isWanted, by) {
  const places = tokens.flatMap((token, index) => (isWanted(token) ? [index] : []));
  if (places.length > 0) tokens[random.pick(places)] = random.pick(by);
}

/** Writes two tokens as one. */
function join(random, tokens) {
  const [one] = adjacent(random, tokens);
  tokens.splice(one, 2, tokens[one] + tokens[one + 1]);
}
