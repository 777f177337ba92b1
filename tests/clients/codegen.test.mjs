// Code generators: GraphQL Code Generator's client preset, from the file and from a running server.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, readdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { generate } from '@graphql-codegen/cli';

import { startServer } from '../support/server.mjs';

const run = promisify(execFile);
const here = fileURLToPath(new URL('codegen/', import.meta.url));
const generated = `${here}__generated__/`;

let server;
before(async () => (server = await startServer()));
after(() => server.stop());

/** Generates the types for `reader.ts` as a front end does, and returns them by file name. */
async function generateFrom(schema, name) {
  const folder = `${generated}${name}/`;
  const config = {
    preset: 'client',
    config: { scalars: { Cursor: 'string', DateTime: 'string' } },
  };
  await generate(
    { schema, documents: `${here}reader.ts`, generates: { [folder]: config }, silent: true },
    true,
  );
  const files = (await readdir(folder)).sort();
  return Object.fromEntries(
    await Promise.all(files.map(async (file) => [file, await readFile(folder + file, 'utf8')])),
  );
}

test('schema.graphql and the running server generate the same types, and the types compile', async () => {
  await rm(generated, { recursive: true, force: true });
  const fromFile = await generateFrom('../../schema.graphql', 'from-file');
  const fromServer = await generateFrom(`${server.url}/graphql`, 'from-server');
  assert.deepEqual(Object.keys(fromFile), ['fragment-masking.ts', 'gql.ts', 'graphql.ts', 'index.ts']);
  assert.match(fromFile['graphql.ts'], /export type CommentChangedSubscription/);
  assert.deepEqual(fromServer, fromFile);

  const compiler = createRequire(import.meta.url).resolve('typescript/package.json');
  await run(process.execPath, [compiler.replace('package.json', 'bin/tsc'), '--project', here]).catch(
    ({ stdout, stderr }) => assert.fail(`tsc refuses the code:\n${stdout}${stderr}`),
  );
});
