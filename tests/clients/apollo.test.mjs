// Apollo Client 4: subscriptions over WebSocket by its GraphQLWsLink.

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { resuming } from '../../examples/resume/resume.mjs';
import { OPERATIONS, mainScenario } from './scenario.mjs';

// Apollo's link reads this global, which browsers have and Node 20 lacks.
globalThis.WebSocket = WebSocket;

mainScenario('Apollo Client over WebSocket', ({ httpUrl, socketUrl, headers, connectionParams }) => {
  const socket = createClient({
    url: socketUrl,
    webSocketImpl: WebSocket,
    connectionParams,
    retryAttempts: Infinity,
    // A network that is down fails the attempt itself, which graphql-ws would otherwise treat as fatal.
    shouldRetry: () => true,
    retryWait: async () => {},
  });
  const client = new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === 'subscription',
      new GraphQLWsLink(resuming(socket)),
      new HttpLink({ uri: httpUrl, headers }),
    ),
    cache: new InMemoryCache(),
  });
  return {
    async ask(name, variables) {
      const document = gql(OPERATIONS[name]);
      const isQuery = OPERATIONS[name].startsWith('query');
      const { data } = await (isQuery
        ? client.query({ query: document, variables })
        : client.mutate({ mutation: document, variables }));
      return data;
    },
    subscribe(name, variables, { next, error }) {
      const subscription = client
        .subscribe({ query: gql(OPERATIONS[name]), variables })
        .subscribe((result) => (result.error ? error(result.error.errors) : next(result.data)));
      return () => subscription.unsubscribe();
    },
    async close() {
      client.stop();
      await socket.dispose();
    },
  };
});
