// Apollo Client 4 without a WebSocket: its HttpLink reads subscriptions as multipart responses.

import { ApolloClient, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { CombinedGraphQLErrors } from '@apollo/client/errors';

import { following } from './following.mjs';
import { OPERATIONS, mainScenario } from './scenario.mjs';

mainScenario('Apollo Client over multipart HTTP', ({ httpUrl, headers }) => {
  const client = new ApolloClient({
    link: new HttpLink({ uri: httpUrl, headers }),
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
    subscribe: (name, variables, sink) =>
      following(variables, sink, (variables, next, lost) => {
        const subscription = client
          .subscribe({ query: gql(OPERATIONS[name]), variables })
          .subscribe(({ data, error }) => {
            if (data) next(data);
            if (CombinedGraphQLErrors.is(error)) sink.error(error.errors);
            else if (error) lost();
          });
        return () => subscription.unsubscribe();
      }),
    close: () => client.stop(),
  };
});
