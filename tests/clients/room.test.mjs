// Viewers and typing.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startServer } from '../support/server.mjs';
import { Reader } from './reader.mjs';

let server;
before(async () => (server = await startServer()));
after(() => server.stop());

/** Returns a signed-in reader's identity, for HTTP requests and for a Reader. */
const person = (name) => ({ token: server.token({ sub: name, name }), clientId: `client-of-${name}` });

test('viewerCount counts its own reader at once, and follows joins and leaves', async () => {
  const postId = await server.createPost();
  const [ada, bob] = [new Reader(server), new Reader(server)];

  const adaCounts = ada.viewerCount(postId);
  assert.equal(await adaCounts.next(), 1);
  const bobCounts = bob.viewerCount(postId);
  assert.equal(await bobCounts.next(), 2);
  assert.equal(await adaCounts.next(), 2);
  await bobCounts.leave();
  assert.equal(await adaCounts.next(), 1);

  await Promise.all([ada.leave(), bob.leave()]);
});

test('a signed-in reader counts once, however many tabs are open', async () => {
  const postId = await server.createPost();
  const { token } = person('ada');
  const tabs = [new Reader(server, { token }), new Reader(server, { token })];
  const bob = new Reader(server);

  const counts = tabs.map((tab) => tab.viewerCount(postId));
  assert.equal(await counts[0].next(), 1);
  assert.equal(await counts[1].next(), 1);
  const bobCounts = bob.viewerCount(postId);
  assert.equal(await bobCounts.next(), 2);
  // Had the second tab changed the first one's count, that value would come before this one.
  assert.equal(await counts[0].next(), 2);

  await Promise.all([...tabs, bob].map((reader) => reader.leave()));
});

test('a reader whose connection breaks is no longer counted', async () => {
  const postId = await server.createPost();
  const [ada, bob] = [new Reader(server), new Reader(server)];

  const counts = ada.viewerCount(postId);
  assert.equal(await counts.next(), 1);
  await bob.viewerCount(postId).next();
  assert.equal(await counts.next(), 2);
  bob.cut();
  assert.equal(await counts.next(), 1);

  await ada.leave();
});

test('typing is shown to others, and not to the typing user', async () => {
  const postId = await server.createPost();
  const [asAda, asBob] = [person('ada'), person('bob')];
  const [ada, bob] = [new Reader(server, asAda), new Reader(server, asBob)];
  const [adaSees, bobSees] = [ada.typing(postId), bob.typing(postId)];
  await Promise.all([ada.viewerCount(postId).next(), bob.viewerCount(postId).next()]);

  await server.setTyping(postId, true, asAda);
  assert.deepEqual(await bobSees.next(), { isTyping: true, user: { id: 'ada' } });
  await server.setTyping(postId, false, asAda);
  assert.deepEqual(await bobSees.next(), { isTyping: false, user: { id: 'ada' } });
  // Ada's own typing, if sent to her, would come first.
  await server.setTyping(postId, true, asBob);
  assert.deepEqual(await adaSees.next(), { isTyping: true, user: { id: 'bob' } });

  await Promise.all([ada.leave(), bob.leave()]);
});

test('users who are already typing come first in a new stream', async () => {
  const postId = await server.createPost();
  const asAda = person('ada');
  const [ada, bob] = [new Reader(server, asAda), new Reader(server)];
  await ada.viewerCount(postId).next();
  await server.setTyping(postId, true, asAda);

  assert.deepEqual(await bob.typing(postId).next(), { isTyping: true, user: { id: 'ada' } });

  await Promise.all([ada.leave(), bob.leave()]);
});

test('typing ends when its user posts a comment', async () => {
  const postId = await server.createPost();
  const asAda = person('ada');
  const [ada, bob] = [new Reader(server, asAda), new Reader(server)];
  await ada.viewerCount(postId).next();
  const bobSees = bob.typing(postId);

  await server.setTyping(postId, true, asAda);
  assert.equal((await bobSees.next()).isTyping, true);
  await server.createComment({ postId, body: 'Done.' }, asAda);
  assert.deepEqual(await bobSees.next(), { isTyping: false, user: { id: 'ada' } });

  await Promise.all([ada.leave(), bob.leave()]);
});

test('typing ends when its client leaves the room', async () => {
  const postId = await server.createPost();
  const asBob = person('bob');
  const [ada, bob] = [new Reader(server), new Reader(server, asBob)];
  const [adaCounts, adaSees] = [ada.viewerCount(postId), ada.typing(postId)];
  assert.equal(await adaCounts.next(), 1);
  const bobCounts = bob.viewerCount(postId);
  assert.equal(await bobCounts.next(), 2);
  assert.equal(await adaCounts.next(), 2);

  await server.setTyping(postId, true, asBob);
  assert.equal((await adaSees.next()).isTyping, true);
  await bobCounts.leave();
  assert.deepEqual(await adaSees.next(), { isTyping: false, user: { id: 'bob' } });
  assert.equal(await adaCounts.next(), 1);

  await Promise.all([ada.leave(), bob.leave()]);
});
