import type { ApolloCache } from '@apollo/client';

import type { CommentFragment } from './gql/graphql';
import { COUNTED, THREAD, TOP_LEVEL } from './operations';

/** Whether the page has a comment already: the feed alone brings no count of replies. */
export function isKnown(cache: ApolloCache, id: string): boolean {
  const from = { __typename: 'Comment', id };
  return cache.readFragment({ fragment: COUNTED, fragmentName: 'Counted', from }) !== null;
}

/** Puts a new comment where it belongs, once: one's own, or one that the feed brought. */
export function addComment(cache: ApolloCache, comment: CommentFragment) {
  const { id, postId, parentId } = comment;
  // "Show more replies" may have brought it before.
  const isNew = !isKnown(cache, id);
  const added = { replyCount: 0, ...comment };
  if (isNew) {
    const from = { __typename: 'Comment', id };
    cache.writeFragment({ fragment: COUNTED, fragmentName: 'Counted', from, data: added });
  }
  cache.updateFragment(
    { fragment: TOP_LEVEL, fragmentName: 'TopLevel', from: { __typename: 'Post', id: postId } },
    (post) => {
      if (!post) return post;
      const nodes = isNew && !parentId ? [added, ...post.comments.nodes] : post.comments.nodes;
      return { ...post, commentCount: post.commentCount + 1, comments: { ...post.comments, nodes } };
    },
  );
  if (!isNew || !parentId) return;
  cache.updateFragment(
    { fragment: THREAD, fragmentName: 'Thread', from: { __typename: 'Comment', id: parentId } },
    (parent) => {
      // A reply to a comment that is not loaded comes along when that one is.
      if (!parent) return parent;
      const nodes = [...parent.replies.nodes, added];
      return { ...parent, replyCount: parent.replyCount + 1, replies: { ...parent.replies, nodes } };
    },
  );
}
