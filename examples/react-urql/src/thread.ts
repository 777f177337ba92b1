// The comments of an open post, however they came: with a page, from the feed, or by one's own hand.
// Comments are kept by their ids, so what comes twice is there once.

import type { ChangedFragment, CommentFragment, CommentStatus, PostQuery, ThreadFragment } from './gql/graphql';

type PageInfo = ThreadFragment['replies']['pageInfo'];

/** What is loaded of a list: its comments' ids, and whether there are more. */
interface List extends PageInfo {
  ids: string[];
}

/** A comment of the reader that others do not see: it waits for a moderator, or was rejected. */
export type Unpublished = Omit<CommentFragment, 'isDeleted' | 'isListed' | 'replyCount'> & { status: CommentStatus };

export interface Thread {
  commentCount: number;
  /** What all readers see. */
  comments: Record<string, CommentFragment>;
  topLevel: List;
  /** By the id of the comment that they answer. */
  replies: Record<string, List>;
  /** By their ids. `comments` may have a tombstone of the same comment. */
  unpublished: Record<string, Unpublished>;
}

export type Action =
  /** The post was read. */
  | { type: 'opened'; post: NonNullable<PostQuery['post']> }
  /** A comment is being sent, and not known to the server yet. It is shown, and not counted. */
  | { type: 'sending'; comment: CommentFragment }
  /** The server took it, or refused it. */
  | { type: 'sent'; sending: CommentFragment }
  /** A mutation of the reader was answered. A deletion has no status. */
  | { type: 'answered'; comment: ChangedFragment; status?: CommentStatus }
  /** A comment has changed. Its counts are those after the change. */
  | { type: 'changed'; comment: ChangedFragment }
  /** The reader's unpublished comments were read. */
  | { type: 'unpublishedRead'; comments: Unpublished[] }
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
  const empty = { commentCount, comments: {}, topLevel: NOTHING, replies: {}, unpublished: {} };
  return reduce(empty, { type: 'olderLoaded', ...comments });
}

export const isSending = (id: string) => id.startsWith('sending:');

export function repliesTo(thread: Thread, id: string): List {
  return thread.replies[id] ?? NOTHING;
}

/** Returns a comment as this reader sees it, and its status. */
export function ownView({ comments, unpublished }: Thread, id: string): CommentFragment & { status: CommentStatus } {
  const comment: CommentFragment | undefined = comments[id];
  const own = unpublished[id];
  if (!own) return { ...comment, status: 'PUBLISHED' };
  return { ...own, isDeleted: false, isListed: false, replyCount: comment?.replyCount ?? 0 };
}

/** Returns the ids of a list as this reader sees it, with those of their own unpublished comments. */
export function ownList(thread: Thread, parentId: string | null): string[] {
  const { ids } = parentId ? repliesTo(thread, parentId) : thread.topLevel;
  const own = Object.values(thread.unpublished).filter((comment) => comment.parentId === parentId);
  return ordered([...new Set([...ids, ...own.map(({ id }) => id)])], parentId, (id) => ownView(thread, id));
}

export function reduce(thread: Thread, action: Action): Thread {
  switch (action.type) {
    case 'opened':
      return { ...open(action.post), unpublished: thread.unpublished };
    case 'sending':
      return place(thread, action.comment);
    case 'sent':
      return place(thread, { ...action.sending, isListed: false });
    case 'answered': {
      const { comment, status } = action;
      if (status === undefined || status === 'PUBLISHED') return without(changed(thread, comment), comment.id);
      if (isPublished(thread, comment)) return thread; // It was approved before this answer came.
      const unpublished = { ...thread.unpublished, [comment.id]: { ...comment, status } };
      return { ...changed(thread, comment), unpublished };
    }
    case 'changed': {
      const { comment } = action;
      // A tombstone leaves its author what waits.
      return comment.isDeleted ? changed(thread, comment) : without(changed(thread, comment), comment.id);
    }
    case 'unpublishedRead': {
      const comments = action.comments.filter((comment) => !isPublished(thread, comment));
      return { ...thread, unpublished: Object.fromEntries(comments.map((comment) => [comment.id, comment])) };
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

function changed(thread: Thread, { post, parent, ...comment }: ChangedFragment): Thread {
  return counted({ ...place(thread, comment), commentCount: post.commentCount }, comment.parentId, parent);
}

function without(thread: Thread, id: string): Thread {
  const { [id]: _, ...unpublished } = thread.unpublished;
  return { ...thread, unpublished };
}

/** Returns true if readers see this text of the comment. */
function isPublished({ comments }: Thread, { id, editedAt }: Pick<CommentFragment, 'id' | 'editedAt'>) {
  const comment = comments[id];
  return comment?.isListed && !comment.isDeleted && comment.editedAt === editedAt;
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

function withList(thread: Thread, parentId: string | null | undefined, list: List): Thread {
  const sorted = { ...list, ids: ordered(list.ids, parentId, (id) => thread.comments[id]) };
  return parentId
    ? { ...thread, replies: { ...thread.replies, [parentId]: sorted } }
    : { ...thread, topLevel: sorted };
}

/** Returns the ids of a list in its order: comments newest first, replies oldest first. */
function ordered(ids: string[], parentId: string | null | undefined, commentOf: (id: string) => CommentFragment) {
  return ids.toSorted((a, b) => {
    const [first, second] = (parentId ? [a, b] : [b, a]).map(commentOf);
    return isLater(first, second) ? 1 : isLater(second, first) ? -1 : 0;
  });
}

/** A comment that is being sent is the latest: this page's clock may differ from the server's. */
const isLater = (a: CommentFragment, b: CommentFragment) =>
  isSending(a.id) === isSending(b.id) ? a.publishedAt > b.publishedAt : isSending(a.id);

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
