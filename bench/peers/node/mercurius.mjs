// Mercurius, with its own subscriptions.

import Fastify from 'fastify';
import mercurius from 'mercurius';
import { newComment, topicOf, typeDefs } from './comments.mjs';

const app = Fastify();
app.register(mercurius, {
  schema: typeDefs,
  resolvers: {
    Query: { ready: () => true },
    Mutation: {
      async createComment(_, { input }, { pubsub }) {
        const comment = newComment(input);
        await pubsub.publish({ topic: topicOf(comment.postId), payload: { commentAdded: comment } });
        return { comment };
      },
    },
    Subscription: {
      commentAdded: {
        subscribe: (_, { postId }, { pubsub }) => pubsub.subscribe(topicOf(postId)),
      },
    },
  },
  subscription: true,
});

console.log(`listening on ${await app.listen({ port: 0, host: '127.0.0.1' })}`);
