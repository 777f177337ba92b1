// Comments as they are written, changed and deleted: nothing lost, nothing twice, in order.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startServer } from '../support/server.mjs';
import { Reader } from './reader.mjs';

let server;
before(async () => (server = await startServer()));
after(() => server.stop());

const person = (name) => ({ token: server.token({ sub: name, name }), clientId: `client-of-${name}` });

/** Creates a post, and returns its id and cursor, from which a subscription misses nothing. */
async function newPost() {
  const postId = await server.createPost();
  const { post } = await server.ask(`query ($id: ID!) { post(id: $id) { cursor } }`, { id: postId });
  return { postId, after: post.cursor };
}

const bodyOf = ({ comment }) => comment.body;

test('a comment sent over HTTP reaches every client except the one that it names', async () => {
  const { postId, after } = await newPost();
  const [asAda, asBob, asCleo] = ['ada', 'bob', 'cleo'].map(person);
  const [ada, bob] = [new Reader(server, asAda), new Reader(server, asBob)];
  const [adaSees, bobSees] = [ada.changes({ postId, after }), bob.changes({ postId, after })];

  await server.createComment({ postId, body: 'by Ada' }, asAda);
  await server.createComment({ postId, body: 'by Cléo' }, asCleo);
  assert.equal(bodyOf(await bobSees.next()), 'by Ada');
  assert.equal(bodyOf(await bobSees.next()), 'by Cléo');
  assert.equal(bodyOf(await adaSees.next()), 'by Cléo');

  await Promise.all([ada.leave(), bob.leave()]);
});

test("the same user's other tab receives the comment", async () => {
  const { postId, after } = await newPost();
  const { token } = person('ada');
  const tab = new Reader(server, { token, clientId: 'the-other-tab' });
  const sees = tab.changes({ postId, after });

  await server.createComment({ postId, body: 'by Ada' }, { token, clientId: 'this-tab' });
  assert.equal(bodyOf(await sees.next()), 'by Ada');

  await tab.leave();
});

test("includeOwn adds the client's own changes", async () => {
  const { postId, after } = await newPost();
  const asAda = person('ada');
  const ada = new Reader(server, asAda);
  const sees = ada.changes({ postId, after, includeOwn: true });

  await server.createComment({ postId, body: 'by Ada' }, asAda);
  assert.equal(bodyOf(await sees.next()), 'by Ada');

  await ada.leave();
});

test('additions, edits and deletions carry their kind and the resulting comment', async () => {
  const { postId, after } = await newPost();
  const asAda = person('ada');
  const bob = new Reader(server);
  const sees = bob.changes({ postId, after });
  const comment = (id, body, isDeleted) => ({
    id,
    body,
    isDeleted,
    author: { name: isDeleted ? 'deleted' : 'ada' },
  });

  const id = await server.createComment({ postId, body: 'first' }, asAda);
  const added = await sees.next();
  assert.deepEqual(
    { ...added, cursor: '' },
    { kind: 'ADDED', cursor: '', comment: comment(id, 'first', false) },
  );

  await server.editComment({ id, body: 'second' }, asAda);
  const edited = await sees.next();
  assert.deepEqual(
    { ...edited, cursor: '' },
    { kind: 'EDITED', cursor: '', comment: comment(id, 'second', false) },
  );

  await server.deleteComment(id, asAda);
  const deleted = await sees.next();
  assert.deepEqual(
    { ...deleted, cursor: '' },
    { kind: 'DELETED', cursor: '', comment: comment(id, '', true) },
  );

  assert.equal(
    new Set([added, edited, deleted].map(({ cursor }) => cursor)).size,
    3,
    'each has its own place',
  );
  await bob.leave();
});

test('a resumed feed sends what was missed, once and in order, and goes on', async () => {
  const { postId, after } = await newPost();
  const asAda = person('ada');
  const bob = new Reader(server);
  const before = bob.changes({ postId, after });
  await server.createComment({ postId, body: 'seen' }, asAda);
  const { cursor } = await before.next();
  await before.leave();

  for (const body of ['missed 1', 'missed 2', 'missed 3'])
    await server.createComment({ postId, body }, asAda);
  const resumed = bob.changes({ postId, after: cursor });
  assert.equal(bodyOf(await resumed.next()), 'missed 1');
  await server.createComment({ postId, body: 'live' }, asAda);
  for (const body of ['missed 2', 'missed 3', 'live']) assert.equal(bodyOf(await resumed.next()), body);

  await bob.leave();
});

test('comments written while a feed resumes come once and in order', async () => {
  const { postId, after } = await newPost();
  const asAda = person('ada');
  const bodies = Array.from({ length: 60 }, (_, i) => `number ${i}`);
  const write = async (from, to) => {
    for (const body of bodies.slice(from, to)) await server.createComment({ postId, body }, asAda);
  };
  await write(0, 20);

  const writing = write(20, 60);
  const readers = Array.from({ length: 5 }, () => new Reader(server));
  const received = await Promise.all(
    readers.map(async (reader) => {
      const sees = reader.changes({ postId, after });
      const got = [];
      while (got.length < bodies.length) got.push(bodyOf(await sees.next()));
      return got;
    }),
  );
  await writing;
  for (const got of received) assert.deepEqual(got, bodies);

  await Promise.all(readers.map((reader) => reader.leave()));
});

test('a client reconnects after a lost connection and misses nothing', async () => {
  const { postId, after } = await newPost();
  const asAda = person('ada');
  const variables = { postId, after };
  const bob = new Reader(server, { retryAttempts: 1 });
  const sees = bob.changes(variables);
  const next = async () => {
    const change = await sees.next();
    variables.after = change.cursor;
    return bodyOf(change);
  };

  await server.createComment({ postId, body: 'before' }, asAda);
  assert.equal(await next(), 'before');
  bob.cut();
  await server.createComment({ postId, body: 'meanwhile' }, asAda);
  assert.equal(await next(), 'meanwhile');
  await server.createComment({ postId, body: 'after' }, asAda);
  assert.equal(await next(), 'after');

  await bob.leave();
});

test('the feed of a post that does not exist is an error with the code NOT_FOUND', async () => {
  const reader = new Reader(server);
  await assert.rejects(
    reader.changes({ postId: 'no-such-post' }).next(),
    (errors) => Array.isArray(errors) && errors[0].extensions.code === 'NOT_FOUND',
  );
  await reader.leave();
});

test('an invalid cursor is an error with the code BAD_USER_INPUT', async () => {
  const { postId } = await newPost();
  const reader = new Reader(server);
  await assert.rejects(
    reader.changes({ postId, after: 'made-up' }).next(),
    (errors) => Array.isArray(errors) && errors[0].extensions.code === 'BAD_USER_INPUT',
  );
  await reader.leave();
});
