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
  /** A comment is being sent, and not known to the server yet. It is shown, and not counted. */
  | { type: 'sending'; comment: CommentFragment }
  /** The server took it, or refused it. */
  | { type: 'answered'; sending: CommentFragment }
  /** The state of a comment after a change, with the counts after it. */
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
        { ...learn(thread, action.nodes), topLevel: join(thread.topLevel, action) },
      );
    case 'repliesLoaded': {
      const { parentId, replyCount, nodes } = action;
      const replies = { ...thread.replies, [parentId]: join(repliesTo(thread, parentId), action) };
      return counted({ ...learn(thread, nodes), replies }, parentId, { replyCount });
    }
  }
}

/** Puts a comment into the list where it belongs, or removes it. */
function place(thread: Thread, comment: CommentFragment): Thread {
  const { id, parentId, isListed } = comment;
  const comments = { ...thread.comments, [id]: comment };
  const list = parentId ? repliesTo(thread, parentId) : thread.topLevel;
  const others = list.ids.filter((other) => other !== id);
  const next = others.findIndex((other) =>
    parentId ? isLater(comments[other], comment) : isLater(comment, comments[other]),
  );
  const index = next < 0 ? others.length : next;
  const ids = isListed ? [...others.slice(0, index), id, ...others.slice(index)] : others;
  return parentId
    ? { ...thread, comments, replies: { ...thread.replies, [parentId]: { ...list, ids } } }
    : { ...thread, comments, topLevel: { ...list, ids } };
}

/** What is being sent is the latest: this page's clock may differ from the server's. */
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

/** A list with one more page; what the feed brought meanwhile stands where the page has it. */
function join(list: List, page: { nodes: { id: string }[]; pageInfo: PageInfo }): List {
  const arrived = page.nodes.map(({ id }) => id);
  return { ...page.pageInfo, ids: [...list.ids.filter((id) => !arrived.includes(id)), ...arrived] };
}
