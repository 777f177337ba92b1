// The comments of an open post, however they came: with a page, from the feed, or by one's own hand.
// Comments are kept by their ids, so what comes twice is there once.

import type { ChangedFragment, CommentFragment, PostQuery, ThreadFragment } from './gql/graphql';

type PageInfo = ThreadFragment['replies']['pageInfo'];

/** What is loaded of a list: its comments' ids, and whether there are more. */
interface List extends PageInfo {
  ids: string[];
}

export interface Thread {
  commentCount: number;
  comments: Record<string, CommentFragment>;
  topLevel: List;
  /** By the id of the comment that they answer. */
  replies: Record<string, List>;
}

export type Action =
  /** The post was read. */
  | { type: 'opened'; post: NonNullable<PostQuery['post']> }
  /** A comment is being sent, and not known to the server yet. It is shown, and not counted. */
  | { type: 'sending'; comment: CommentFragment }
  /** The server took it, or refused it. */
  | { type: 'answered'; sending: CommentFragment }
  /** A comment has changed. Its counts are those after the change. */
  | { type: 'changed'; comment: ChangedFragment }
  | { type: 'olderLoaded'; nodes: ThreadFragment[]; pageInfo: PageInfo }
  | {
      type: 'repliesLoaded';
      parentId: string;
      replyCount: number;
      nodes: CommentFragment[];
      pageInfo: PageInfo;
    };

const NOTHING: List = { ids: [], hasNextPage: false, endCursor: null };

export function open({ commentCount, comments }: NonNullable<PostQuery['post']>): Thread {
  const empty = { commentCount, comments: {}, topLevel: NOTHING, replies: {} };
  return reduce(empty, { type: 'olderLoaded', ...comments });
}

export const isSending = (id: string) => id.startsWith('sending:');

export function repliesTo(thread: Thread, id: string): List {
  return thread.replies[id] ?? NOTHING;
}

export function reduce(thread: Thread, action: Action): Thread {
  switch (action.type) {
    case 'opened':
      return open(action.post);
    case 'sending':
      return place(thread, action.comment);
    case 'answered':
      return place(thread, { ...action.sending, isListed: false });
    case 'changed': {
      const { post, parent, ...comment } = action.comment;
      return counted({ ...place(thread, comment), commentCount: post.commentCount }, comment.parentId, parent);
    }
    case 'olderLoaded':
      return action.nodes.reduce(
        (thread, { id, replyCount, replies }) =>
          reduce(thread, { type: 'repliesLoaded', parentId: id, replyCount, ...replies }),
        withPage(learn(thread, action.nodes), null, action),
      );
    case 'repliesLoaded': {
      const { parentId, replyCount, nodes } = action;
      return counted(withPage(learn(thread, nodes), parentId, action), parentId, { replyCount });
    }
  }
}

/** Puts a comment into the list where it belongs, or removes it. */
function place(thread: Thread, comment: CommentFragment): Thread {
  const { id, parentId, isListed } = comment;
  // A reply to a comment that is not loaded comes along when that one is.
  if (parentId && !(parentId in thread.comments)) return thread;
  const list = parentId ? repliesTo(thread, parentId) : thread.topLevel;
  const others = list.ids.filter((other) => other !== id);
  const last = others.at(-1);
  // An older comment comes with its own page.
  if (!parentId && list.hasNextPage && last && isLater(thread.comments[last], comment)) return thread;
  const ids = !isListed ? others : parentId ? [...others, id] : [id, ...others];
  return withList(learn(thread, [comment]), parentId, { ...list, ids });
}

/** Adds a page to a list. The feed may have brought comments that come after it. */
function withPage(
  thread: Thread,
  parentId: string | null,
  { nodes, pageInfo }: { nodes: { id: string }[]; pageInfo: PageInfo },
): Thread {
  const { ids } = parentId ? repliesTo(thread, parentId) : thread.topLevel;
  return withList(thread, parentId, { ...pageInfo, ids: [...new Set([...ids, ...nodes.map(({ id }) => id)])] });
}

/** Sets a list, in order: comments newest first, replies oldest first. */
function withList(thread: Thread, parentId: string | null | undefined, list: List): Thread {
  const { comments } = thread;
  const ids = list.ids.toSorted((a, b) => {
    const [first, second] = parentId ? [a, b] : [b, a];
    return isLater(comments[first], comments[second]) ? 1 : isLater(comments[second], comments[first]) ? -1 : 0;
  });
  const ordered = { ...list, ids };
  return parentId
    ? { ...thread, replies: { ...thread.replies, [parentId]: ordered } }
    : { ...thread, topLevel: ordered };
}

/** A comment that is being sent is the latest: this page's clock may differ from the server's. */
const isLater = (a: CommentFragment, b: CommentFragment) =>
  isSending(a.id) === isSending(b.id) ? a.createdAt > b.createdAt : isSending(a.id);

/** Sets the count of a comment's replies, if the comment is loaded. */
function counted(
  thread: Thread,
  id: string | null | undefined,
  count: { replyCount: number } | null | undefined,
): Thread {
  const comment = id && thread.comments[id];
  return comment && count ? learn(thread, [{ ...comment, ...count }]) : thread;
}

function learn(thread: Thread, nodes: CommentFragment[]): Thread {
  return {
    ...thread,
    comments: { ...thread.comments, ...Object.fromEntries(nodes.map((node) => [node.id, node])) },
  };
}
