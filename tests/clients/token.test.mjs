// Tokens: refused, expiring, renewed. The shutdown of a server is here too.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startServer } from '../support/server.mjs';
import { Reader } from './reader.mjs';

let server;
before(async () => (server = await startServer()));
after(() => server.stop());

const inSeconds = (seconds) => Math.floor(Date.now() / 1000) + seconds;
const ada = { sub: 'ada', name: 'Ada' };

test('a token signed with another secret closes the socket with 4403', async () => {
  const postId = await server.createPost();
  const reader = new Reader(server, { token: server.token(ada, 'the secret of some other site entirely') });
  reader.viewerCount(postId);
  assert.equal(await reader.closed(), 4403);
});

test('an expired token closes the socket with 4403', async () => {
  const postId = await server.createPost();
  const reader = new Reader(server, { token: server.token({ ...ada, exp: inSeconds(-1) }) });
  reader.viewerCount(postId);
  assert.equal(await reader.closed(), 4403);
});

test('a refused token over HTTP is status 401 and the code UNAUTHENTICATED', async () => {
  const token = server.token({ ...ada, exp: inSeconds(-1) });
  const { status, errors } = await server.send('{ me { id } }', {}, { token });
  assert.equal(status, 401);
  assert.equal(errors[0].extensions.code, 'UNAUTHENTICATED');
});

test("signInAsGuest's token identifies the guest over HTTP and WebSocket", async () => {
  const postId = await server.createPost();
  const { signInAsGuest: guest } = await server.ask(
    `mutation { signInAsGuest(input: { name: " Ada " }) { token user { id name } } }`,
  );
  assert.equal(guest.user.name, 'Ada');
  const { me } = await server.ask('{ me { id name } }', {}, { token: guest.token });
  assert.deepEqual(me, guest.user);

  const reader = new Reader(server, { token: `Bearer ${guest.token}` });
  assert.equal(await reader.viewerCount(postId).next(), 1);
  await reader.leave();
});

test('a client whose token expires reconnects with a new one and misses nothing', async () => {
  const postId = await server.createPost();
  const { post } = await server.ask(`query ($id: ID!) { post(id: $id) { cursor } }`, { id: postId });
  const tokens = [server.token({ ...ada, exp: inSeconds(2) }), server.token(ada)];
  const reader = new Reader(server, { token: () => tokens.shift(), retryAttempts: 1 });
  const changes = reader.changes({ postId, after: post.cursor });

  assert.equal(await reader.closed(), 4403);
  const bob = { token: server.token({ sub: 'bob', name: 'Bob' }) };
  await server.createComment({ postId, body: 'meanwhile' }, bob);
  assert.equal((await changes.next()).comment.body, 'meanwhile');
  assert.deepEqual(tokens, [], 'the second token was asked for');

  await reader.leave();
});

test('a server that shuts down closes its sockets with 1012, so clients reconnect', async () => {
  const leaving = await startServer();
  const reader = new Reader(leaving);
  assert.equal(await reader.viewerCount(await leaving.createPost()).next(), 1);
  const closed = reader.closed();
  await leaving.stop();
  assert.equal(await closed, 1012);
});
