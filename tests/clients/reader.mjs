// A reader with the graphql-ws client, as in a blog's front end.

import assert from 'node:assert/strict';

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { within } from '../support/within.mjs';

export class Reader {
  #socket;
  #client;
  #closed;

  /**
   * `token` is a token, or a function that returns one for each connection. Without it the reader is
   * anonymous. `retryAttempts` limits the reconnects of graphql-ws.
   */
  constructor(server, { clientId, token, retryAttempts = 0 } = {}) {
    let sawClose;
    this.#closed = new Promise((resolve) => (sawClose = resolve));
    this.#client = createClient({
      url: server.socketUrl,
      webSocketImpl: WebSocket,
      connectionParams: () => ({
        clientId,
        authorization: typeof token === 'function' ? token() : token,
      }),
      retryAttempts,
      retryWait: async () => {},
      on: {
        opened: (socket) => (this.#socket = socket),
        closed: ({ code }) => sawClose(code),
      },
    });
  }

  /**
   * Returns a stream of one root field's values. The `variables` object is sent again on each
   * connection, so a change of its cursor sets where the stream resumes.
   */
  subscribe(field, query, variables) {
    const results = this.#client.iterate({ query, variables });
    return {
      /** Resolves with the next value. Rejects with the list of errors of an `error` message, or late. */
      async next() {
        const { value, done } = await within(results.next(), `${field} brings a value`);
        assert.ok(!done, `${field} goes on`);
        assert.equal(value.errors, undefined, `${field} brings values without errors`);
        return value.data[field];
      },
      /** Ends the stream, and the reader's membership of the room if this is its last stream. */
      leave: () => results.return(),
    };
  }

  viewerCount(postId) {
    return this.subscribe('viewerCount', `subscription ($postId: ID!) { viewerCount(postId: $postId) }`, {
      postId,
    });
  }

  typing(postId) {
    const query = `subscription ($postId: ID!) { typing(postId: $postId) { isTyping user { id } } }`;
    return this.subscribe('typing', query, { postId });
  }

  /** Subscribes to changes of comments. `variables` are `postId`, and optionally `after`, `includeOwn`. */
  changes(variables) {
    const query = `subscription ($postId: ID!, $after: Cursor, $includeOwn: Boolean! = false) {
      commentChanged(postId: $postId, after: $after, includeOwn: $includeOwn) {
        kind cursor comment { id body isDeleted author { name } }
      }
    }`;
    return this.subscribe('commentChanged', query, variables);
  }

  /** Resolves with the code of the first close. */
  closed() {
    return within(this.#closed, 'the server closes the socket');
  }

  /** Cuts the connection without a close frame. */
  cut() {
    this.#socket.terminate();
  }

  leave() {
    return this.#client.dispose();
  }
}
