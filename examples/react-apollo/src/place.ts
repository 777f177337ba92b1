import type { ApolloCache } from '@apollo/client';

import type { CommentFragment } from './gql/graphql';
import { COMMENT, THREAD, TOP_LEVEL } from './operations';

/** Returns what the cache has of a comment. */
export const known = (cache: ApolloCache, id: string) =>
  cache.readFragment({ fragment: COMMENT, fragmentName: 'Comment', from: { __typename: 'Comment', id } });

/** Puts a comment into the list where it belongs, or removes it: one's own, or one that the feed brought. */
export function place(cache: ApolloCache, comment: CommentFragment) {
  const { postId, parentId } = comment;
  if (parentId) {
    const from = { __typename: 'Comment', id: parentId };
    cache.updateFragment({ fragment: THREAD, fragmentName: 'Thread', from }, (parent) => {
      // A reply to a comment that is not loaded comes along when that one is.
      if (!parent) return parent;
      const nodes = placed(parent.replies.nodes, comment, 'oldest first');
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
      const nodes = placed(post.comments.nodes, comment, 'newest first');
      return { ...post, comments: { ...post.comments, nodes } };
    });
  }
}

export const isSending = ({ id }: { id: string }) => id.startsWith('sending:');

export type Placed = Pick<CommentFragment, 'id' | 'publishedAt' | 'isListed'>;
export type Order = 'oldest first' | 'newest first';

/** A comment that is being sent is the latest: this page's clock may differ from the server's. */
const isLater = (a: Placed, b: Placed) =>
  isSending(a) === isSending(b) ? a.publishedAt > b.publishedAt : isSending(a);

export function placed<Node extends Placed>(nodes: Node[], comment: Node, order: Order): Node[] {
  const others = nodes.filter(({ id }) => id !== comment.id);
  if (!comment.isListed) return others;
  const next = others.findIndex((other) =>
    order === 'oldest first' ? isLater(other, comment) : isLater(comment, other),
  );
  const index = next < 0 ? others.length : next;
  return [...others.slice(0, index), comment, ...others.slice(index)];
}
