// Subscriptions over HTTP come back after the server was replaced, with what each client's user sets up for it:
// urql's retryExchange, Apollo Client's RetryLink, and graphql-sse as it is. The proxies are those of
// docs/operating.md.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { RetryLink } from '@apollo/client/link/retry';
import { Client, fetchExchange } from '@urql/core';
import { retryExchange } from '@urql/exchange-retry';
import { createClient } from 'graphql-sse';

import { startProxy } from '../support/proxy.mjs';
import { keptDatabase, startServer } from '../support/server.mjs';
import { within } from '../support/within.mjs';

const ADDED = 'subscription Added($postId: ID!) { commentAdded(postId: $postId) { body } }';

/** Each subscribes, calls `next` with the text of each comment, and returns a function that ends it. */
const clients = {
  urql(url, postId, next) {
    const client = new Client({
      url,
      fetchSubscriptions: true,
      exchanges: [retryExchange({ maxNumberAttempts: Infinity }), fetchExchange],
    });
    const subscription = client.subscription(ADDED, { postId }).subscribe(({ data, error }) => {
      assert.ifError(error);
      next(data.commentAdded.body);
    });
    return () => subscription.unsubscribe();
  },
  'Apollo Client'(url, postId, next) {
    const retry = new RetryLink({ attempts: { max: Infinity }, delay: { max: 5000 } });
    const client = new ApolloClient({
      link: ApolloLink.from([retry, new HttpLink({ uri: url })]),
      cache: new InMemoryCache(),
    });
    const subscription = client
      .subscribe({ query: gql(ADDED), variables: { postId } })
      .subscribe(({ data, error }) => {
        assert.ifError(error);
        next(data.commentAdded.body);
      });
    return () => (subscription.unsubscribe(), client.stop());
  },
  'graphql-sse'(url, postId, next) {
    const client = createClient({ url, retryAttempts: Infinity });
    client.subscribe(
      { query: ADDED, variables: { postId } },
      { next: ({ data }) => next(data.commentAdded.body), error: assert.ifError, complete() {} },
    );
    return () => client.dispose();
  },
};

for (const proxy of [null, 'nginx', 'Caddy']) {
  const name = `streams over HTTP come back after a restart${proxy ? `, behind ${proxy}` : ''}`;
  test(name, (context) => comeBack(context, proxy));
}

async function comeBack(context, proxy) {
  const settings = await keptDatabase();
  let server = await startServer(settings);
  const front = proxy ? await startProxy(proxy, server.port) : null;
  const url = `${(front ?? server).url}/graphql`;
  const postId = await server.createPost();
  const ada = { token: server.token({ sub: 'ada', name: 'Ada' }) };

  // Of five streams each, some end early in the drain and try again while it lasts.
  const seen = [];
  // Caddy 2.6 ends a stream in order that the server cut off, which urql takes for the subscription's end.
  const { urql: _, ...others } = clients;
  const ends = Object.entries(proxy === 'Caddy' ? others : clients).flatMap(([name, subscribe]) =>
    Array.from({ length: 5 }, (_, number) => {
      const bodies = new Set();
      seen.push({ name: `${name} ${number}`, bodies });
      return subscribe(url, postId, (body) => bodies.add(body));
    }),
  );
  context.after(async () => {
    for (const end of ends) end();
    await front?.stop();
    await server.stop();
    await settings.remove();
  });
  /** Writes until every stream has brought something that was written since. */
  const writeUntilAllSee = async (text) => {
    for (let number = 0; seen.some(({ bodies }) => ![...bodies].some((body) => body.startsWith(text))); number++) {
      await server.createComment({ postId, body: `${text} ${number}` }, ada);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  await within(writeUntilAllSee('before'), 'all streams begin');
  const { port } = server;
  await server.stop();
  server = await startServer({ ...settings, port });
  await within(writeUntilAllSee('after'), 'all streams come back').catch((error) => {
    const missing = seen.filter(({ bodies }) => ![...bodies].some((body) => body.startsWith('after')));
    assert.fail(`${error.message}: not ${missing.map(({ name }) => name)}`);
  });
}
