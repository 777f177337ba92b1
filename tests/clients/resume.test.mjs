// The example of a resumable client, over a network that cuts its connection repeatedly.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { resuming } from '../../examples/resume/resume.mjs';
import { startNetwork } from '../support/network.mjs';
import { startServer } from '../support/server.mjs';
import { within } from '../support/within.mjs';

let server;
let network;
before(async () => {
  server = await startServer();
  network = await startNetwork(server.port);
});
after(async () => {
  network.stop();
  await server.stop();
});

test('a resuming client misses nothing and sees nothing twice, however often it is cut', async () => {
  const postId = await server.createPost();
  const { post } = await server.ask(`query ($id: ID!) { post(id: $id) { cursor } }`, { id: postId });
  let connections = 0;
  const client = resuming(
    createClient({
      url: `ws://127.0.0.1:${network.port}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: Infinity,
      retryWait: async () => {},
      on: { connected: () => (connections += 1) },
    }),
  );
  const writer = { token: server.token({ sub: 'ada', name: 'Ada' }) };
  const written = Array.from({ length: 60 }, (_, number) => `comment ${number}`);

  const seen = [];
  let sawAll;
  const all = new Promise((resolve) => (sawAll = resolve));
  const dispose = client.subscribe(
    {
      query: `subscription ($postId: ID!, $after: Cursor) {
        commentAdded(postId: $postId, after: $after) { body cursor }
      }`,
      variables: { postId, after: post.cursor },
    },
    {
      next({ data }) {
        seen.push(data.commentAdded.body);
        // Cut while the client has some comments and others are under way.
        if (seen.length % 7 === 0) network.cut();
        if (seen.length === written.length) sawAll();
      },
      error: assert.fail,
      complete() {},
    },
  );
  for (const body of written) await server.createComment({ postId, body }, writer);

  await within(all, 'the client sees every comment');
  assert.deepEqual(seen, written);
  assert.ok(connections > 3, `the network was cut: ${connections} connections`);
  dispose();
  await client.dispose();
});
