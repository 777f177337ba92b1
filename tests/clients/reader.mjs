// A reader with the graphql-ws client, as a blog's front end has it.

import assert from 'node:assert/strict';

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { within } from '../support/within.mjs';

const ARRIVES_WITHIN = 5_000;

export class Reader {
  #socket;
  #client;
  #closed;

  /**
   * `token` is a token, or a function that makes one for each connection; without it the reader is
   * anonymous. `retryAttempts` is how often graphql-ws comes back after a loss.
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
   * A stream of what one root field brings. The `variables` object is sent anew at each connection,
   * so whoever changes it says from where the stream is to resume.
   */
  subscribe(field, query, variables) {
    const results = this.#client.iterate({ query, variables });
    return {
      /** The next value, which must come in time. An `error` message rejects, with its list of errors. */
      async next() {
        const { value, done } = await within(ARRIVES_WITHIN, results.next(), `${field} brings a value`);
        assert.ok(!done, `${field} goes on`);
        assert.equal(value.errors, undefined, `${field} brings values without errors`);
        return value.data[field];
      },
      /** Ends the stream, and so this reader's being in the room, if it has no other. */
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

  /** Changes to comments; `variables` are `postId`, and if need be `after` and `includeOwn`. */
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
    return within(ARRIVES_WITHIN, this.#closed, 'the server closes the socket');
  }

  /** Cuts the line without a word, as a network does. */
  cut() {
    this.#socket.terminate();
  }

  leave() {
    return this.#client.dispose();
  }
}
