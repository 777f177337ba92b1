// The comparison itself: each way to answer wrongly is found, and an answer that is right is not.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { differences } from './compare.mjs';
import { caseOf } from './generator/request.mjs';
import { EXECUTION, OPENING, VALIDATION } from './stages.mjs';

const QUERY = '{ post(id: "main") {\n  a b } }';
const EXECUTED = {
  stage: EXECUTION,
  data: { a: 1, b: null },
  errors: [{ path: ['b', 'c'] }],
  possible: [
    ['b', 'c'],
    ['b', 'd'],
  ],
};
const REFUSED = { stage: VALIDATION, errors: [{ locations: [{ line: 1, column: 1 }] }] };

const error = (more) => ({ message: 'a message', extensions: { code: 'BAD_USER_INPUT' }, ...more });
const invalid = (more) =>
  error({ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' }, locations: [{ line: 2, column: 3 }], ...more });
const failed = (...path) => error({ path });

for (const [title, expected, actual] of [
  ['the same answer', EXECUTED, { data: { a: 1, b: null }, errors: [failed('b', 'c')] }],
  [
    'another error that nulls the same place',
    EXECUTED,
    { data: { a: 1, b: null }, errors: [failed('b', 'd')] },
  ],
  [
    'all errors that null one place',
    EXECUTED,
    { data: { a: 1, b: null }, errors: [failed('b', 'c'), failed('b', 'd')] },
  ],
  ['a refusal', REFUSED, { errors: [invalid()] }],
  ['a refusal of a subscription', { stage: OPENING, errors: [{}] }, { errors: [error()] }],
]) {
  test(`${title} is no difference`, () => {
    assert.deepEqual(differences(QUERY, [expected.stage], expected, actual), []);
  });
}

for (const [title, expected, actual] of [
  ['a closed socket', EXECUTED, { fault: 'closed' }],
  ['an empty answer', EXECUTED, {}],
  ['a refusal of what is valid', EXECUTED, { errors: [invalid()] }],
  ['execution of what is invalid', REFUSED, { data: {} }],
  ['another stage', REFUSED, { errors: [invalid({ extensions: { code: 'GRAPHQL_PARSE_FAILED' } })] }],
  ['two stages', REFUSED, { errors: [invalid(), invalid({ extensions: { code: 'GRAPHQL_PARSE_FAILED' } })] }],
  ['other data', EXECUTED, { data: { a: 2, b: null }, errors: [failed('b', 'c')] }],
  ['another order of keys', EXECUTED, { data: { b: null, a: 1 }, errors: [failed('b', 'c')] }],
  ['a missing error', EXECUTED, { data: { a: 1, b: null } }],
  ['an empty list of errors', EXECUTED, { data: { a: 1, b: null }, errors: [] }],
  ['an error at another place', EXECUTED, { data: { a: 1, b: null }, errors: [failed('b')] }],
  ['one error twice', EXECUTED, { data: { a: 1, b: null }, errors: [failed('b', 'c'), failed('b', 'c')] }],
  ['an error without a message', REFUSED, { errors: [invalid({ message: '' })] }],
  ['an error without a code', REFUSED, { errors: [invalid(), invalid({ extensions: {} })] }],
  ['an error without locations', REFUSED, { errors: [invalid({ locations: undefined })] }],
  ['an empty list of locations', REFUSED, { errors: [invalid({ locations: [] })] }],
  ['line 0', REFUSED, { errors: [invalid({ locations: [{ line: 0, column: 1 }] })] }],
  ['column 0', REFUSED, { errors: [invalid({ locations: [{ line: 1, column: 0 }] })] }],
  ['a line behind the end', REFUSED, { errors: [invalid({ locations: [{ line: 3, column: 1 }] })] }],
]) {
  test(`${title} is a difference`, () => {
    assert.notDeepEqual(differences(QUERY, [expected.stage], expected, actual), []);
  });
}

test('a generated case is the same each time', () => {
  const cases = () => Array.from({ length: 200 }, (_, number) => JSON.stringify(caseOf(3, number)));
  const once = cases();
  assert.deepEqual(cases(), once);
  assert.ok(new Set(once).size > 150, 'cases differ from one another');
});
