// The reader's own comments that others do not see: they wait for a moderator, or were rejected.

import { makeVar } from '@apollo/client';
import type { ApolloCache, ApolloClient } from '@apollo/client';
import { useReactiveVar } from '@apollo/client/react';

import { NO_REPLIES, session } from './client';
import type { ChangedFragment, CommentFragment, CommentStatus, ThreadFragment } from './gql/graphql';
import { CHANGED, UNPUBLISHED } from './operations';
import { known, place, placed } from './place';
import type { Order, Placed } from './place';

type Unpublished = Omit<CommentFragment, 'isDeleted' | 'isListed' | 'replyCount'> & { status: CommentStatus };

/** By their ids. The cache has what all readers see, which may be a tombstone of the same comment. */
const unpublished = makeVar<Record<string, Unpublished>>({});

/**
 * Takes in a comment after a change, one's own or another's. `status` comes with the answer to an own mutation;
 * what the feed brings is published.
 */
export function take(cache: ApolloCache, comment: ChangedFragment, status: CommentStatus = 'PUBLISHED') {
  if (status !== 'PUBLISHED') {
    if (isPublished(cache, comment)) return; // It was approved before this answer came.
    unpublished({ ...unpublished(), [comment.id]: { ...comment, status } });
  } else if (!comment.isDeleted) {
    release(comment.id);
  }
  cache.writeFragment({ fragment: CHANGED, fragmentName: 'Changed', data: comment });
  place(cache, comment);
}

export function release(id: string) {
  const { [id]: released, ...others } = unpublished();
  if (released) unpublished(others);
}

/** Reads them from the server: after a reload, and after an own comment was taken from readers. */
export async function readUnpublished(client: ApolloClient, postId: string) {
  const author = session()?.user;
  if (!author) return void unpublished({});
  const read = client.query({ query: UNPUBLISHED, variables: { postId }, fetchPolicy: 'no-cache' });
  // If it fails, they are read after the next reconnection.
  const { data } = await read.catch(() => ({ data: undefined }));
  if (!data?.viewer || session()?.user.id !== author.id) return;
  const nodes = data.viewer.unpublishedComments.nodes.filter((comment) => !isPublished(client.cache, comment));
  const all = nodes.map((node): Unpublished => ({
    ...node,
    __typename: 'Comment',
    postId,
    publishedAt: node.createdAt,
    author,
  }));
  unpublished(Object.fromEntries(all.map((comment) => [comment.id, comment])));
}

/** Returns true if readers see this text of the comment. */
function isPublished(cache: ApolloCache, { id, editedAt }: Pick<CommentFragment, 'id' | 'editedAt'>) {
  const comment = known(cache, id);
  return !!comment && comment.isListed && !comment.isDeleted && comment.editedAt === editedAt;
}

/** Returns a comment as this reader sees it, and its status. Undefined if it is not loaded. */
export function useOwnView(id: string, comment: ThreadFragment | undefined) {
  const own = useReactiveVar(unpublished)[id];
  if (!own) return comment && { ...comment, status: 'PUBLISHED' as const };
  const { replyCount, replies } = comment ?? { replyCount: 0, replies: NO_REPLIES };
  return { ...own, isDeleted: false, replyCount, replies };
}

/** Returns the ids of a list as this reader sees it, with those of their own unpublished comments. */
export function useOwnList(nodes: Placed[], postId: string, parentId: string | null, order: Order): string[] {
  const listed = new Set(nodes.map(({ id }) => id));
  const own = Object.values(useReactiveVar(unpublished)).filter(
    (comment) => comment.postId === postId && comment.parentId === parentId && !listed.has(comment.id),
  );
  return own
    .reduce((list, comment) => placed(list, { ...comment, isListed: true }, order), nodes)
    .map(({ id }) => id);
}
