// Requests that schemathesis generates from the schema: every answer is one of the documented ones, and never
// an internal error.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { startServer } from '../support/server.mjs';

const run = promisify(execFile);
const here = fileURLToPath(new URL('generated/', import.meta.url));
const AUTHOR = { sub: 'the-author', name: 'The author', role: 'author' };
/** Requests for each field of Query and Mutation, half of them valid and half not. */
const EXAMPLES = 80;

let server;
before(async () => {
  server = await startServer();
  await run('python3', ['-m', 'venv', '.venv'], { cwd: here });
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
  await run('.venv/bin/python', [...install, '--requirement', 'requirements.txt'], { cwd: here });
});
after(() => server.stop());

for (const [role, mediaType] of [
  ['moderator', 'application/json'],
  ['author', 'application/graphql-response+json'],
  ['reader', 'application/json'],
]) {
  test(`generated requests of a ${role} get documented answers as ${mediaType}`, async () => {
    const post = await server.createPost();
    const comment = await server.createComment(
      { postId: post, body: 'A comment' },
      { token: server.token(AUTHOR) },
    );
    const env = {
      ...process.env,
      IDS: [post, comment, AUTHOR.sub].join(),
      PYTHONDONTWRITEBYTECODE: '1',
      PYTHONPATH: here,
      SCHEMATHESIS_HOOKS: 'hooks',
    };
    const token = server.token({ ...AUTHOR, sub: `the-${role}`, role });
    const { stdout } = await run(
      '.venv/bin/schemathesis',
      [
        ...['run', `${server.url}/graphql`],
        ...['--header', `Authorization: Bearer ${token}`, '--header', `Accept: ${mediaType}`],
        ...['--checks', 'the_answer_is_one_of_those_that_are_documented', '--warnings', 'off'],
        // The same requests in each run, and no stored examples.
        ...['--max-examples', EXAMPLES, '--generation-deterministic', '--no-color'],
        ...['--request-timeout', 60],
      ].map(String),
      { cwd: here, env, timeout: 600_000 },
    ).catch(({ stdout, stderr }) => assert.fail(`${stdout}\n${stderr}`));
    assert.match(stdout, /^ +Tested: [1-9]\d*$/m);
  });
}
