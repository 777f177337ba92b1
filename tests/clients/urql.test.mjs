// urql: subscriptions over WebSocket by graphql-ws in its subscriptionExchange.

import { Client, cacheExchange, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { resuming } from '../../examples/resume/resume.mjs';
import { OPERATIONS, mainScenario } from './scenario.mjs';

mainScenario('urql over WebSocket', ({ httpUrl, socketUrl, headers, connectionParams }) => {
  const socket = createClient({
    url: socketUrl,
    webSocketImpl: WebSocket,
    connectionParams,
    retryAttempts: Infinity,
    // A network that is down fails the attempt itself, which graphql-ws would otherwise treat as fatal.
    shouldRetry: () => true,
    retryWait: async () => {},
  });
  const resumingSocket = resuming(socket);
  const client = new Client({
    url: httpUrl,
    fetchOptions: { headers },
    exchanges: [
      cacheExchange,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query, variables }) => ({
          subscribe: (sink) => ({ unsubscribe: resumingSocket.subscribe({ query, variables }, sink) }),
        }),
      }),
    ],
  });
  return {
    async ask(name, variables) {
      const isQuery = OPERATIONS[name].startsWith('query');
      const { data, error } = await client[isQuery ? 'query' : 'mutation'](OPERATIONS[name], variables);
      if (error) throw error;
      return data;
    },
    subscribe(name, variables, { next, error }) {
      const subscription = client
        .subscription(OPERATIONS[name], variables)
        .subscribe((result) => (result.error ? error(result.error.graphQLErrors) : next(result.data)));
      return () => subscription.unsubscribe();
    },
    close: () => socket.dispose(),
  };
});
