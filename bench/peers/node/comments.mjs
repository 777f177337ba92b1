// Shared code of the GraphQL servers: the part of Causerie's schema that the benchmark uses.

export const typeDefs = /* GraphQL */ `
  type User {
    name: String!
    avatar: String
  }
  type Comment {
    id: ID!
    postId: ID!
    body: String!
    createdAt: String!
    author: User!
  }
  input CreateCommentInput {
    postId: ID!
    body: String!
  }
  type CreateCommentPayload {
    comment: Comment!
  }
  type Query {
    ready: Boolean!
  }
  type Mutation {
    createComment(input: CreateCommentInput!): CreateCommentPayload!
  }
  type Subscription {
    commentAdded(postId: ID!): Comment!
  }
`;

const author = { name: 'Ada Lovelace', avatar: 'https://avatars.example.org/1.png' };

/** Returns a new comment. Nothing is stored. */
export function newComment({ postId, body }) {
  return { id: crypto.randomUUID(), postId, body, createdAt: new Date().toISOString(), author };
}

/** Returns the topic of a post's comments. */
export const topicOf = (postId) => `commentAdded:${postId}`;

/** Listens on a free port of the loopback interface, and prints the URL. */
export function listen(server) {
  server.listen(0, '127.0.0.1', () => {
    console.log(`listening on http://127.0.0.1:${server.address().port}`);
  });
}
