// The check against a local server that speaks Akismet's protocol.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';

import { checkServer } from './server.mjs';
import { isSigned, keyOf, sign } from './signature.mjs';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const KEY = keyOf(SECRET);

const QUESTION = {
  post: { id: 'hello', title: 'Hello', url: 'https://blog.example/hello' },
  comment: { id: null, body: 'Is ü & ö here?', parentId: null, isEdit: false },
  author: { id: 'guest:1', name: 'Ada', role: 'reader', isGuest: true },
  address: '203.0.113.7',
  userAgent: 'Mozilla/5.0',
  referrer: 'https://blog.example/',
};

/** Starts both servers. `answer` is what Akismet says: a body, and headers. */
async function start(context, answer) {
  const asked = [];
  const akismet = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    asked.push({ url: request.url, ...Object.fromEntries(new URLSearchParams(body)) });
    const { text, headers = {}, status = 200 } = answer;
    response.writeHead(status, headers).end(text);
  });
  const url = await listen(context, akismet);
  const settings = { url: `${url}/1.1/comment-check`, key: 'k123', blog: 'https://blog.example' };
  const check = await listen(context, checkServer({ secret: SECRET, akismet: settings }));
  return { check, asked };
}

async function listen(context, server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** Asks as Causerie does. Returns the status and the answer. */
async function ask(check, question, change = {}) {
  const body = Buffer.from(typeof question === 'string' ? question : JSON.stringify(question));
  const [id, timestamp] = ['msg_1', String(Math.floor(Date.now() / 1000))];
  const headers = {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${sign(KEY, id, timestamp, body)}`,
    ...change,
  };
  const response = await fetch(check, { method: 'POST', headers, body });
  return { status: response.status, ...(await response.json()) };
}

for (const [verdict, answer] of Object.entries({
  publish: { text: 'false' },
  hold: { text: 'true' },
  reject: { text: 'true', headers: { 'X-akismet-pro-tip': 'discard' } },
})) {
  test(`Akismet's ${JSON.stringify(answer)} is the verdict ${verdict}`, async (context) => {
    const { check, asked } = await start(context, answer);
    assert.deepEqual(await ask(check, QUESTION), { status: 200, verdict });
    assert.deepEqual(asked, [
      {
        url: '/1.1/comment-check',
        api_key: 'k123',
        blog: 'https://blog.example',
        user_ip: '203.0.113.7',
        user_agent: 'Mozilla/5.0',
        referrer: 'https://blog.example/',
        permalink: 'https://blog.example/hello',
        comment_type: 'comment',
        comment_author: 'Ada',
        comment_content: 'Is ü & ö here?',
      },
    ]);
  });
}

test('an edited reply of an unknown sender is named as that', async (context) => {
  const { check, asked } = await start(context, { text: 'false' });
  const comment = { id: '2', body: 'b', parentId: '1', isEdit: true };
  const unknown = { address: null, userAgent: null, referrer: null };
  await ask(check, { ...QUESTION, ...unknown, comment });
  const [{ comment_type, recheck_reason, ...others }] = asked;
  assert.deepEqual({ comment_type, recheck_reason }, { comment_type: 'reply', recheck_reason: 'edit' });
  for (const name of ['user_ip', 'user_agent', 'referrer']) assert.ok(!(name in others), name);
});

test('a request that is not signed with the secret is refused', async (context) => {
  const { check, asked } = await start(context, { text: 'false' });
  const old = String(Math.floor(Date.now() / 1000) - 400);
  for (const change of [
    { 'webhook-signature': '' },
    { 'webhook-signature': 'v1,AAAA' },
    { 'webhook-signature': `v1,${sign(Buffer.from('another'), 'msg_1', old, Buffer.from('{}'))}` },
    { 'webhook-id': 'msg_2' },
    { 'webhook-timestamp': old },
    { 'webhook-timestamp': 'now' },
  ]) {
    const { status } = await ask(check, QUESTION, change);
    assert.equal(status, 401, JSON.stringify(change));
  }
  assert.deepEqual(asked, []);
});

test('one good signature among several is enough', () => {
  const body = Buffer.from('{"test": 2432232314}');
  const headers = {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    // The example of the reference libraries, after another.
    'webhook-signature': 'v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  };
  assert.ok(isSigned(KEY, headers, body, 1614265330));
  assert.ok(!isSigned(KEY, headers, body, 1614265330 + 301));
});

for (const [name, answer] of Object.entries({
  'a bad key': { text: 'invalid', headers: { 'X-akismet-debug-help': 'Empty "api_key" value' } },
  'an error': { text: 'false', status: 500 },
  'another text': { text: '<html></html>' },
})) {
  test(`${name} is no verdict`, async (context) => {
    context.mock.method(console, 'error', () => {});
    const { check } = await start(context, answer);
    assert.equal((await ask(check, QUESTION)).status, 502);
  });
}

test('a request that is no question is refused', async (context) => {
  context.mock.method(console, 'error', () => {});
  const { check, asked } = await start(context, { text: 'false' });
  assert.equal((await ask(check, 'not JSON')).status, 502);
  assert.equal((await ask(check, 'x'.repeat(256 * 1024 + 1))).status, 413);
  assert.equal((await fetch(check)).status, 405);
  assert.deepEqual(asked, []);
});
