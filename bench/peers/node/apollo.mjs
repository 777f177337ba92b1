// Apollo Server with Express and graphql-ws.

import { createServer } from 'node:http';
import { ApolloServer } from '@apollo/server';
import { ApolloServerPluginDrainHttpServer } from '@apollo/server/plugin/drainHttpServer';
import { expressMiddleware } from '@as-integrations/express5';
import { makeExecutableSchema } from '@graphql-tools/schema';
import express from 'express';
import { PubSub } from 'graphql-subscriptions';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { listen, newComment, topicOf, typeDefs } from './comments.mjs';

const pubsub = new PubSub();
const schema = makeExecutableSchema({
  typeDefs,
  resolvers: {
    Query: { ready: () => true },
    Mutation: {
      async createComment(_, { input }) {
        const comment = newComment(input);
        await pubsub.publish(topicOf(comment.postId), { commentAdded: comment });
        return { comment };
      },
    },
    Subscription: {
      commentAdded: { subscribe: (_, { postId }) => pubsub.asyncIterableIterator(topicOf(postId)) },
    },
  },
});
const app = express();
const server = createServer(app);
useServer({ schema }, new WebSocketServer({ server, path: '/graphql' }));
const apollo = new ApolloServer({
  schema,
  plugins: [ApolloServerPluginDrainHttpServer({ httpServer: server })],
});
await apollo.start();
app.use('/graphql', express.json(), expressMiddleware(apollo));

listen(server);
