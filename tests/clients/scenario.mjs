// The scenario that every client library must support, as its user sees it. Each library's file defines how
// it connects, queries and subscribes, and calls this.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startNetwork } from '../support/network.mjs';
import { startServer } from '../support/server.mjs';
import { within } from '../support/within.mjs';

/** The operations of the scenario. A client that compiles its own has the same under these names. */
export const OPERATIONS = {
  Post: `query Post($id: ID!) {
    post(id: $id) { id title cursor comments(first: 50) { edges { node { id body author { id name } } } } }
  }`,
  CommentChanged: `subscription CommentChanged($postId: ID!, $after: Cursor) {
    commentChanged(postId: $postId, after: $after) {
      kind cursor comment { id body isDeleted author { id name } }
    }
  }`,
  ViewerCount: `subscription ViewerCount($postId: ID!) { viewerCount(postId: $postId) }`,
  CreateComment: `mutation CreateComment($input: CreateCommentInput!) {
    createComment(input: $input) { comment { id body } }
  }`,
};

/**
 * Tests one client library. `connect({ httpUrl, socketUrl, headers, connectionParams })` returns a
 * client. Its identity is in the headers for HTTP, and in the parameters for WebSocket:
 *
 * - `ask(name, variables)` sends the query or mutation of that name, and returns its data.
 * - `subscribe(name, variables, { next, error })` calls `next` with the data of each event, and
 *   `error` with a list of GraphQL errors; it returns a function that ends the subscription.
 *   After a lost connection it resumes at the last event's cursor.
 * - `close()` ends the client.
 */
export function mainScenario(library, connect) {
  describe(library, () => {
    let server, network;
    before(async () => {
      server = await startServer();
      network = await startNetwork(server.port);
    });
    after(async () => {
      network?.stop();
      await server?.stop();
    });

    const person = (name) => ({ token: server.token({ sub: name, name }), clientId: `client-of-${name}` });

    /** Opens a client over the network that can be cut, and closes it when its test ends. */
    function open(context, { token, clientId } = {}) {
      const client = connect({
        httpUrl: `${network.url}/graphql`,
        socketUrl: `${network.url.replace(/^http/, 'ws')}/graphql`,
        headers: {
          ...(token && { Authorization: `Bearer ${token}` }),
          ...(clientId && { 'X-Client-Id': clientId }),
        },
        connectionParams: { authorization: token, clientId },
      });
      const subscriptions = [];
      context.after(async () => {
        for (const end of subscriptions) end();
        await client.close();
      });
      const subscribe = (...parameters) => {
        const end = client.subscribe(...parameters);
        subscriptions.push(end);
        return end;
      };
      return { ask: client.ask, subscribe };
    }

    /** Creates a post for the test, and reads it and its cursor in one query of the client. */
    async function openPost(client) {
      const id = await server.createPost('Read by many');
      const { post } = await client.ask('Post', { id });
      return post;
    }

    test('a post is read, and a comment of another client arrives', async (context) => {
      const client = open(context);
      const post = await openPost(client);
      assert.equal(post.title, 'Read by many');
      assert.deepEqual(post.comments.edges, []);

      const sees = events(client, 'CommentChanged', { postId: post.id, after: post.cursor });
      const id = await server.createComment({ postId: post.id, body: 'Hello.' }, person('ada'));
      const change = await sees.next();
      assert.equal(change.kind, 'ADDED');
      assert.ok(change.cursor);
      const { author, ...comment } = change.comment;
      assert.deepEqual([comment.id, comment.body, comment.isDeleted], [id, 'Hello.', false]);
      assert.deepEqual([author.id, author.name], ['ada', 'ada']);
      sees.end();
    });

    test('an edit and a deletion arrive with their kinds', async (context) => {
      const client = open(context);
      const post = await openPost(client);
      const sees = events(client, 'CommentChanged', { postId: post.id, after: post.cursor });

      const id = await server.createComment({ postId: post.id, body: 'first' }, person('ada'));
      assert.equal((await sees.next()).comment.body, 'first');
      await server.editComment({ id, body: 'second' }, person('ada'));
      const edited = await sees.next();
      assert.deepEqual([edited.kind, edited.comment.id, edited.comment.body], ['EDITED', id, 'second']);
      await server.deleteComment(id, person('ada'));
      const deleted = await sees.next();
      assert.deepEqual([deleted.kind, deleted.comment.id, deleted.comment.isDeleted], ['DELETED', id, true]);
      sees.end();
    });

    test('a named client does not receive its own comment', async (context) => {
      const client = open(context, person('ada'));
      const post = await openPost(client);
      const sees = events(client, 'CommentChanged', { postId: post.id, after: post.cursor });

      const input = { postId: post.id, body: 'by Ada' };
      const { createComment } = await client.ask('CreateComment', { input });
      assert.equal(createComment.comment.body, 'by Ada');
      await server.createComment({ postId: post.id, body: 'by Bob' }, person('bob'));
      // Ada's own comment, if sent, would come first.
      assert.equal((await sees.next()).comment.body, 'by Bob');
      sees.end();
    });

    test('the viewer count follows joins and leaves', async (context) => {
      const [ada, bob] = [open(context, person('ada')), open(context, person('bob'))];
      const { id: postId } = await openPost(ada);
      const adaCounts = events(ada, 'ViewerCount', { postId });
      assert.equal(await adaCounts.next(), 1);
      const bobCounts = events(bob, 'ViewerCount', { postId });
      assert.equal(await bobCounts.next(), 2);
      assert.equal(await adaCounts.next(), 2);
      bobCounts.end();
      assert.equal(await adaCounts.next(), 1);
      adaCounts.end();
    });

    test('a client that is cut off resumes, misses nothing and sees nothing twice', async (context) => {
      const client = open(context);
      const post = await openPost(client);
      const sees = events(client, 'CommentChanged', { postId: post.id, after: post.cursor });
      const write = (body) => server.createComment({ postId: post.id, body }, person('ada'));
      const nextBody = async () => (await sees.next()).comment.body;

      await write('before');
      assert.equal(await nextBody(), 'before');
      for (const round of ['once', 'twice', 'three times']) {
        network.goDown();
        await write(`cut ${round}`);
        await write(`cut ${round}, and still away`);
        network.goUp();
        assert.equal(await nextBody(), `cut ${round}`);
        assert.equal(await nextBody(), `cut ${round}, and still away`);
      }
      await write('after');
      assert.equal(await nextBody(), 'after');
      sees.end();
    });

    test('a refused subscription has an error code', async (context) => {
      const client = open(context);
      const refused = events(client, 'CommentChanged', { postId: 'no-such-post' });
      await assert.rejects(refused.next(), (errors) => errors[0].extensions.code === 'NOT_FOUND');
    });
  });
}

/** Subscribes, and returns the events one by one. Each must come in time. */
function events(client, name, variables) {
  const field = name[0].toLowerCase() + name.slice(1);
  const arrived = [];
  let wake = () => {};
  const arrive = (event) => (arrived.push(event), wake());
  const end = client.subscribe(name, variables, {
    next: (data) => arrive({ value: data[field] }),
    error: (errors) => arrive({ errors }),
  });
  return {
    async next() {
      const something = new Promise((resolve) => (wake = resolve));
      if (!arrived.length) await within(something, `${name} brings an event`);
      const { value, errors } = arrived.shift();
      if (errors) throw errors;
      return value;
    },
    end,
  };
}
