import type { ApolloCache } from '@apollo/client';

import type { CommentFragment } from './gql/graphql';
import { THREAD, TOP_LEVEL } from './operations';

/** Puts a new comment where it belongs: one's own, or one that the feed brought. */
export function addComment(cache: ApolloCache, comment: CommentFragment) {
  const { id, postId, parentId } = comment;
  const isThere = (nodes: { id: string }[]) => nodes.some((node) => node.id === id);
  cache.updateFragment(
    { fragment: TOP_LEVEL, fragmentName: 'TopLevel', from: { __typename: 'Post', id: postId } },
    (post) => {
      if (!post || isThere(post.comments.nodes)) return post;
      const nodes = parentId ? post.comments.nodes : [comment, ...post.comments.nodes];
      return { ...post, commentCount: post.commentCount + 1, comments: { ...post.comments, nodes } };
    },
  );
  if (!parentId) return;
  cache.updateFragment(
    { fragment: THREAD, fragmentName: 'Thread', from: { __typename: 'Comment', id: parentId } },
    (parent) => {
      // A reply to a comment that is not loaded comes along when that one is.
      if (!parent || isThere(parent.replies.nodes)) return parent;
      const nodes = [...parent.replies.nodes, comment];
      return { ...parent, replyCount: parent.replyCount + 1, replies: { ...parent.replies, nodes } };
    },
  );
}
