// The comments of an open post, however they came: with a page, from the feed, or by one's own hand.
// Comments are kept by their ids, so what comes twice is there once.

import type { CommentFragment, CountedFragment, PostQuery, ThreadFragment } from './gql/graphql';

type PageInfo = ThreadFragment['replies']['pageInfo'];

/** What is loaded of a list: its comments' ids, and whether there are more. */
interface List extends PageInfo {
  ids: string[];
}

export interface Thread {
  commentCount: number;
  comments: Record<string, CountedFragment>;
  topLevel: List;
  /** By the id of the comment that they answer. */
  replies: Record<string, List>;
}

export type Action =
  /** A new comment; or one that is being sent, and is not known to the server yet. */
  | { type: 'added'; comment: CommentFragment }
  /** The server took what was being sent. */
  | { type: 'sent'; sending: string; comment: CommentFragment }
  /** The server refused it. */
  | { type: 'refused'; sending: CommentFragment }
  /** A comment was edited or deleted. */
  | { type: 'changed'; comment: CommentFragment }
  | { type: 'counted'; commentCount: number }
  | { type: 'olderLoaded'; nodes: ThreadFragment[]; pageInfo: PageInfo }
  | {
      type: 'repliesLoaded';
      parentId: string;
      replyCount: number;
      nodes: CountedFragment[];
      pageInfo: PageInfo;
    };

const NOTHING: List = { ids: [], hasNextPage: false, endCursor: null };

export function open({ commentCount, comments }: NonNullable<PostQuery['post']>): Thread {
  const empty = { commentCount, comments: {}, topLevel: NOTHING, replies: {} };
  return reduce(empty, { type: 'olderLoaded', ...comments });
}

export function repliesTo(thread: Thread, id: string): List {
  return thread.replies[id] ?? NOTHING;
}

export function reduce(thread: Thread, action: Action): Thread {
  switch (action.type) {
    case 'added':
      // What "Show more replies" has brought before is new to the post's count alone.
      return action.comment.id in thread.comments
        ? { ...thread, commentCount: thread.commentCount + 1 }
        : add(thread, action.comment, 1);
    case 'sent': {
      const { sending, comment } = action;
      const { [sending]: _, ...others } = thread.comments;
      const comments = { ...others, [comment.id]: { replyCount: 0, ...comment } };
      return withList({ ...thread, comments }, comment.parentId, (ids) =>
        // "Show more replies" may have brought it before the answer came.
        ids.includes(comment.id)
          ? ids.filter((id) => id !== sending)
          : ids.map((id) => (id === sending ? comment.id : id)),
      );
    }
    case 'refused':
      return add(thread, action.sending, -1);
    case 'changed': {
      const { comment } = action;
      if (!(comment.id in thread.comments)) return thread;
      const changed = { ...thread.comments[comment.id], ...comment };
      return { ...thread, comments: { ...thread.comments, [comment.id]: changed } };
    }
    case 'counted':
      return { ...thread, commentCount: action.commentCount };
    case 'olderLoaded':
      return action.nodes.reduce(
        (thread, { id, replyCount, replies }) =>
          reduce(thread, { type: 'repliesLoaded', parentId: id, replyCount, ...replies }),
        { ...learn(thread, action.nodes), topLevel: join(thread.topLevel, action) },
      );
    case 'repliesLoaded': {
      const { parentId, replyCount, nodes } = action;
      const parent = { ...thread.comments[parentId], replyCount };
      const list = join(repliesTo(thread, parentId), action);
      return { ...learn(thread, [parent, ...nodes]), replies: { ...thread.replies, [parentId]: list } };
    }
  }
}

/** Adds a comment where it belongs, or takes it out again. */
function add(thread: Thread, comment: CommentFragment, by: 1 | -1): Thread {
  const { id, parentId } = comment;
  const parent = parentId && thread.comments[parentId];
  const comments = { ...thread.comments };
  if (by === 1) comments[id] = { replyCount: 0, ...comment };
  else delete comments[id];
  if (parent) comments[parent.id] = { ...parent, replyCount: parent.replyCount + by };
  return withList({ ...thread, comments, commentCount: thread.commentCount + by }, parentId, (ids) => {
    if (by === -1) return ids.filter((other) => other !== id);
    return parentId ? [...ids, id] : [id, ...ids];
  });
}

function withList(
  thread: Thread,
  parentId: string | null | undefined,
  change: (ids: string[]) => string[],
): Thread {
  const list = parentId ? repliesTo(thread, parentId) : thread.topLevel;
  const changed = { ...list, ids: change(list.ids) };
  return parentId
    ? { ...thread, replies: { ...thread.replies, [parentId]: changed } }
    : { ...thread, topLevel: changed };
}

function learn(thread: Thread, nodes: CountedFragment[]): Thread {
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
