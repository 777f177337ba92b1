// Python's gql client: an implementation of graphql-transport-ws that shares nothing with graphql-ws.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { startServer } from '../support/server.mjs';

const run = promisify(execFile);
const here = fileURLToPath(new URL('python/', import.meta.url));

let server;
before(async () => {
  server = await startServer();
  await run('python3', ['-m', 'venv', '.venv'], { cwd: here });
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
  await run('.venv/bin/python', [...install, '--requirement', 'requirements.txt'], { cwd: here });
});
after(() => server.stop());

test('the main scenario with gql', async () => {
  const author = { sub: 'the-author', name: 'The author', role: 'author' };
  const env = { ...process.env, SOCKET_URL: server.socketUrl, AUTHOR_TOKEN: server.token(author) };
  const { stderr } = await run('.venv/bin/python', ['scenario.py'], { cwd: here, env }).catch(({ stderr }) =>
    assert.fail(stderr),
  );
  assert.match(stderr, /^Ran 5 tests in .*\n\nOK$/m);
});
