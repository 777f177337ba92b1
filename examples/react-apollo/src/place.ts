import type { ApolloCache } from '@apollo/client';

import type { CommentFragment } from './gql/graphql';
import { THREAD, TOP_LEVEL } from './operations';

/**
 * Puts a comment into the list where it belongs, or removes it: one's own, or one that the feed brought. Its
 * texts and counts are in the cache by then, under its id.
 */
export function place(cache: ApolloCache, comment: CommentFragment) {
  const { postId, parentId } = comment;
  if (parentId) {
    const from = { __typename: 'Comment', id: parentId };
    cache.updateFragment({ fragment: THREAD, fragmentName: 'Thread', from }, (parent) => {
      // A reply to a comment that is not loaded comes along when that one is.
      if (!parent) return parent;
      const nodes = placed(parent.replies.nodes, comment, (other) => isLater(other, comment));
      return { ...parent, replies: { ...parent.replies, nodes } };
    });
  } else {
    const from = { __typename: 'Post', id: postId };
    cache.updateFragment({ fragment: TOP_LEVEL, fragmentName: 'TopLevel', from }, (post) => {
      if (!post) return post;
      const { nodes: loaded, pageInfo } = post.comments;
      const last = loaded.at(-1);
      // An older comment comes with its own page.
      if (comment.isListed && pageInfo.hasNextPage && last && isLater(last, comment)) return post;
      const nodes = placed(post.comments.nodes, comment, (other) => isLater(comment, other));
      return { ...post, comments: { ...post.comments, nodes } };
    });
  }
}

export const isSending = ({ id }: { id: string }) => id.startsWith('sending:');

/** A comment that is being sent is the latest: this page's clock may differ from the server's. */
const isLater = (a: CommentFragment, b: CommentFragment) =>
  isSending(a) === isSending(b) ? a.createdAt > b.createdAt : isSending(a);

function placed(
  nodes: CommentFragment[],
  comment: CommentFragment,
  comesBefore: (other: CommentFragment) => boolean,
): CommentFragment[] {
  const others = nodes.filter(({ id }) => id !== comment.id);
  if (!comment.isListed) return others;
  const next = others.findIndex(comesBefore);
  const index = next < 0 ? others.length : next;
  return [...others.slice(0, index), comment, ...others.slice(index)];
}
