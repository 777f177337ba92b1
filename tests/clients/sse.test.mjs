// Subscriptions over Server-Sent Events: graphql-sse in its distinct connections mode, and urql with
// `fetchSubscriptions`, which needs only HTTP.

import { Client, fetchExchange } from '@urql/core';
import { createClient } from 'graphql-sse';

import { resuming } from '../../examples/resume/resume.mjs';
import { following } from './following.mjs';
import { OPERATIONS, mainScenario } from './scenario.mjs';

mainScenario('graphql-sse', ({ httpUrl, headers }) => {
  const client = createClient({
    url: httpUrl,
    headers,
    retryAttempts: Infinity,
    retry: async () => {},
  });
  const resumingClient = resuming(client);
  return {
    async ask(name, variables) {
      const { value } = await client.iterate({ query: OPERATIONS[name], variables }).next();
      if (value.errors) throw value.errors;
      return value.data;
    },
    subscribe(name, variables, { next, error }) {
      return resumingClient.subscribe(
        { query: OPERATIONS[name], variables },
        { next: ({ data, errors }) => (errors ? error(errors) : next(data)), error, complete() {} },
      );
    },
    close: () => client.dispose(),
  };
});

mainScenario('urql over Server-Sent Events', ({ httpUrl, headers }) => {
  const client = new Client({
    url: httpUrl,
    fetchOptions: { headers },
    fetchSubscriptions: true,
    exchanges: [fetchExchange],
  });
  return {
    async ask(name, variables) {
      const isQuery = OPERATIONS[name].startsWith('query');
      const { data, error } = await client[isQuery ? 'query' : 'mutation'](OPERATIONS[name], variables);
      if (error) throw error;
      return data;
    },
    subscribe: (name, variables, sink) =>
      following(variables, sink, (variables, next, lost) => {
        const subscription = client.subscription(OPERATIONS[name], variables).subscribe((result) => {
          if (result.data) next(result.data);
          if (result.error?.networkError) lost();
          else if (result.error) sink.error(result.error.graphQLErrors);
        });
        return () => subscription.unsubscribe();
      }),
    close() {},
  };
});
