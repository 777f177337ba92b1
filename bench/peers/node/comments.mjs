// What the GraphQL servers have in common: the part of Causerie's schema that the benchmark asks for.

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

/** A new comment. Nothing is stored. */
export function newComment({ postId, body }) {
  return { id: crypto.randomUUID(), postId, body, createdAt: new Date().toISOString(), author };
}

/** The topic under which a post's comments are published. */
export const topicOf = (postId) => `commentAdded:${postId}`;

/** Listens on a free port of the loopback interface, and says which. */
export function listen(server) {
  server.listen(0, '127.0.0.1', () => {
    console.log(`listening on http://127.0.0.1:${server.address().port}`);
  });
}
