// The fields of the schema over the model. A field that is missing here is asked for by no case.

import { page, Refusal } from './world.mjs';

const commentCursor = (comment) => comment.cursor;
const postCursor = (post) => post.listCursor;

const itself = (name) => (object) => object[name];
const fields = (...names) => Object.fromEntries(names.map((name) => [name, itself(name)]));

/** Resolvers by type and field. The context is `{ world, user, event }`. */
export const RESOLVERS = {
  Query: {
    me: (_, _arguments, { user }) => user,
    post: (_, { id }, { world }) => world.post(id),
    posts: (_, slice, { world }) => page(world.posts, slice, postCursor),
    comment: (_, { id }, { world }) => world.comment(id),
  },
  Mutation: {
    signInAsGuest: (_, { input }, { world }) => world.signInAsGuest(input),
    createPost: (_, { input }, { world }) => ({ post: world.createPost(input) }),
    createComment: (_, { input }, { world, user }) => ({ comment: world.createComment(input, user) }),
    editComment: (_, { input }, { world }) => ({ comment: world.editComment(input) }),
    deleteComment: (_, { input }, { world }) => ({ comment: world.deleteComment(input) }),
    setTyping(_, { input }, { world }) {
      if (!world.post(input.postId)) throw new Refusal('NOT_FOUND');
      return { isTyping: input.isTyping };
    },
  },
  Post: {
    ...fields('id', 'title', 'url', 'createdAt', 'cursor'),
    commentCount: (post) => post.comments.filter(({ isDeleted }) => !isDeleted).length,
    viewerCount: () => 0,
    comments(post, { order, ...slice }, { world }) {
      const oldestFirst = world.comments(post.id, null);
      const items = order === 'NEWEST_FIRST' ? oldestFirst.reverse() : oldestFirst;
      return page(items, slice, commentCursor);
    },
  },
  Comment: {
    ...fields('id', 'postId', 'parentId', 'author', 'body', 'createdAt', 'editedAt', 'isDeleted', 'cursor'),
    replyCount: (comment, _, { world }) => world.comments(comment.postId, comment.id).length,
    replies: (comment, slice, { world }) =>
      page(world.comments(comment.postId, comment.id), slice, commentCursor),
  },
  User: fields('id', 'name', 'avatar', 'role', 'isGuest'),
  PostConnection: fields('edges', 'nodes', 'pageInfo'),
  PostEdge: fields('cursor', 'node'),
  CommentConnection: fields('edges', 'nodes', 'pageInfo'),
  CommentEdge: fields('cursor', 'node'),
  PageInfo: fields('hasPreviousPage', 'hasNextPage', 'startCursor', 'endCursor'),
  SignInAsGuestPayload: fields('token', 'user'),
  CreatePostPayload: fields('post'),
  CreateCommentPayload: fields('comment'),
  EditCommentPayload: fields('comment'),
  DeleteCommentPayload: fields('comment'),
  SetTypingPayload: fields('isTyping'),
  CommentChange: fields('kind', 'comment', 'cursor'),
  TypingEvent: fields('postId', 'user', 'isTyping'),
};

/** The first event of each subscription, by its root field. */
export const FIRST_EVENTS = {
  viewerCount: () => 1,
  typing: ({ postId }, { typist }) => ({ postId, user: typist, isTyping: true }),
  commentAdded: (slice, context) => firstComment(slice, context),
  commentChanged(slice, context) {
    const comment = firstComment(slice, context);
    return { kind: 'ADDED', comment, cursor: comment.cursor };
  },
};

/** Returns the comment that comes first: the oldest after the cursor, else the one written while it is open. */
function firstComment({ postId, after }, { world }) {
  const comments = world.comments(postId, null);
  if (after === undefined || after === null) return comments.at(-1);
  if (after !== world.post(postId).startCursor) throw new Refusal('BAD_USER_INPUT');
  return comments[0];
}
