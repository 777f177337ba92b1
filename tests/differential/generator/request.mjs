// One generated case by its seed and number.

import { generate } from './document.mjs';
import { mutate } from './mutate.mjs';
import { Random } from './random.mjs';

const OPERATIONS = [
  'query',
  'query',
  'query',
  'query',
  'query',
  'query',
  'query',
  'mutation',
  'mutation',
  'subscription',
];
const IGNORED = ['\n', '\t', ',', '  ', '\r\n', '\r', '\uFEFF', ' # a comment\n', ' #{"\r', ' , '];

const TIGHT_AFTER = ['(', '[', '$', '@', '...'];
const TIGHT_BEFORE = [')', ']', '!', ':', ',', '('];

/** Returns the request of a case: `{ query, variables, operationName }`. */
export function caseOf(seed, number) {
  const random = new Random(Math.imul(seed, 1_000_003) + number);
  const isToBeChanged = random.chance(0.5);
  const valid = generate(random, { operation: random.pick(OPERATIONS), isToBeChanged });
  const { tokens, variables, operationName } = isToBeChanged ? mutate(random, valid) : valid;
  return { query: joined(random, tokens), variables, operationName };
}

/** Returns the tokens as text: as people write them, or with ignored tokens wherever they may stand. */
function joined(random, tokens) {
  const isLively = random.chance(0.3);
  const between = (before, token) => {
    if (isLively) return random.chance(0.3) ? random.pick(IGNORED) : ' ';
    return TIGHT_AFTER.includes(before) || TIGHT_BEFORE.includes(token) ? '' : ' ';
  };
  return tokens
    .map((token, index) => (index === 0 ? '' : between(tokens[index - 1], token)) + token)
    .join('');
}
