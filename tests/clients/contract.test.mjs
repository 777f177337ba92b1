// The schema as a client sees it: described, and never broken.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';

import { CriticalityLevel, diff } from '@graphql-inspector/core';
import {
  buildClientSchema,
  buildSchema,
  getIntrospectionQuery,
  parse,
  print,
  printSchema,
  visit,
} from 'graphql';

import { startServer } from '../support/server.mjs';

let server, contract, served;
before(async () => {
  server = await startServer();
  // The contract as it was agreed with its users. It changes only with them.
  contract = buildSchema(await readFile(new URL('../it/contract.graphql', import.meta.url), 'utf8'));
  const options = { inputValueDeprecation: true, specifiedByUrl: true };
  const introspected = buildClientSchema(await server.ask(getIntrospectionQuery(options)));
  // Through text, because what is compared reads `@specifiedBy` from text alone.
  served = buildSchema(printSchema(introspected));
});
after(() => server.stop());

/** Returns the changes from `was` to `is` that may break a client written for `was`. */
async function breakingChanges(was, is) {
  const changes = await diff(was, is);
  return changes
    .filter(({ criticality }) => criticality.level === CriticalityLevel.Breaking)
    .map(({ message }) => message);
}

test('the running server breaks nothing in the contract', async () => {
  assert.deepEqual(await breakingChanges(contract, served), []);
});

test('the running server has the schema of schema.graphql', async () => {
  const file = buildSchema(await readFile(new URL('../../schema.graphql', import.meta.url), 'utf8'));
  assert.deepEqual(
    (await diff(file, served)).map(({ message }) => message),
    [],
  );
});

test('every kind of breaking change is found', async () => {
  const file = await readFile(new URL('../../schema.graphql', import.meta.url), 'utf8');
  const withoutDescription = (node, key) => (key === 'description' ? null : undefined);
  const text = print(visit(parse(file), { StringValue: withoutDescription }));
  for (const [what, was, is] of [
    ['a field is dropped', '  viewerCount: Int!\n', ''],
    ['a field may be null', 'commentCount: Int!', 'commentCount: Int'],
    ['a type of a field is another', 'replyCount: Int!', 'replyCount: String!'],
    ['an argument is dropped', ', includeOwn: Boolean! = false', ''],
    ['an argument is required', 'after: Cursor', 'after: Cursor!'],
    ['an input field is required', 'idempotencyKey: ID\n}', 'idempotencyKey: ID!\n}'],
    ['an enum value is dropped', '  DELETED\n', ''],
    ['a type is renamed', /TypingEvent/g, 'TypingNews'],
  ]) {
    const broken = text.replace(was, is);
    assert.notEqual(broken, text, what);
    const [first] = await breakingChanges(contract, buildSchema(broken));
    assert.ok(first, `${what}, and nobody was told`);
  }
});

test('everything in the schema has a description', () => {
  const undescribed = [];
  const look = (name, { description }) => description?.trim() || undescribed.push(name);
  for (const type of Object.values(served.getTypeMap())) {
    if (type.name.startsWith('__')) continue;
    look(type.name, type);
    for (const value of type.getValues?.() ?? []) look(`${type.name}.${value.name}`, value);
    for (const field of Object.values(type.getFields?.() ?? {})) {
      look(`${type.name}.${field.name}`, field);
      for (const argument of field.args ?? [])
        look(`${type.name}.${field.name}(${argument.name}:)`, argument);
    }
  }
  assert.deepEqual(undescribed, []);
});
