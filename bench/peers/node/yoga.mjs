// GraphQL Yoga with graphql-ws.

import { createServer } from 'node:http';
import { useServer } from 'graphql-ws/use/ws';
import { createPubSub, createSchema, createYoga } from 'graphql-yoga';
import { WebSocketServer } from 'ws';
import { listen, newComment, topicOf, typeDefs } from './comments.mjs';

const pubSub = createPubSub();
const yoga = createYoga({
  logging: 'error',
  schema: createSchema({
    typeDefs,
    resolvers: {
      Query: { ready: () => true },
      Mutation: {
        createComment(_, { input }) {
          const comment = newComment(input);
          pubSub.publish(topicOf(comment.postId), { commentAdded: comment });
          return { comment };
        },
      },
      Subscription: {
        commentAdded: { subscribe: (_, { postId }) => pubSub.subscribe(topicOf(postId)) },
      },
    },
  }),
});
const server = createServer(yoga);

useServer(
  {
    execute: (args) => args.rootValue.execute(args),
    subscribe: (args) => args.rootValue.subscribe(args),
    async onSubscribe(context, _id, params) {
      const enveloped = yoga.getEnveloped({
        ...context,
        req: context.extra.request,
        socket: context.extra.socket,
        params,
      });
      const args = {
        schema: enveloped.schema,
        operationName: params.operationName,
        document: enveloped.parse(params.query),
        variableValues: params.variables,
        contextValue: await enveloped.contextFactory(),
        rootValue: { execute: enveloped.execute, subscribe: enveloped.subscribe },
      };
      const errors = enveloped.validate(args.schema, args.document);
      return errors.length ? errors : args;
    },
  },
  new WebSocketServer({ server, path: yoga.graphqlEndpoint }),
);

listen(server);
