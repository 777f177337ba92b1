// A post and its room: the comments as they are written, who reads, and who types.

import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { createContext, useContext, useEffect, useReducer, useRef, useState } from 'react';
import { useClient, useQuery, useSubscription } from 'urql';
import type { CombinedError } from 'urql';

import { CommentThread } from './CommentThread';
import { Composer } from './Composer';
import { Problem } from './Problem';
import { Time } from './Time';
import { codeOf, connection, session } from './client';
import type { DetailsFragment, PostQuery } from './gql/graphql';
import {
  COMMENT_CHANGED,
  OLDER_COMMENTS,
  POST,
  POST_CHANGED,
  POST_DETAILS,
  TYPING,
  UNPUBLISHED,
  VIEWER_COUNT,
} from './operations';
import { open, ownList, reduce } from './thread';
import type { Action, Thread, Unpublished } from './thread';
import { useValue } from './value';

interface OpenPost {
  postId: string;
  /** False if the post takes no comments of this reader. */
  isOpen: boolean;
  thread: Thread;
  dispatch: (action: Action) => void;
}

const Context = createContext<OpenPost | null>(null);
export const useOpenPost = () => useContext(Context)!;

const STATUS = { connecting: 'Connecting…', live: 'Live', lost: 'Reconnecting…' };

export function PostPage({ id }: { id: string }) {
  const [{ data, error }, read] = useQuery({ query: POST, variables: { id } });
  if (error) return <Problem error={error} retry={() => read({ requestPolicy: 'network-only' })} />;
  if (!data) return <p className="hint">Loading…</p>;
  if (!data.post) return <h1>There is no such post</h1>;
  return <Room post={data.post} reopen={() => read({ requestPolicy: 'network-only' })} />;
}

function Room({ post, reopen }: { post: NonNullable<PostQuery['post']>; reopen: () => void }) {
  const postId = post.id;
  const client = useClient();
  const [thread, dispatch] = useReducer(reduce, post, open);
  const latest = useRef(thread);
  latest.current = thread;
  const [details, setDetails] = useState<DetailsFragment>(post);
  const [problem, setProblem] = useState<CombinedError>();
  const socket = useValue(connection);
  const live = socket === 'live';
  const reader = useValue(session)?.user;

  // If the feed has no such place any more, as after a restored backup, the post is read again. The room stays,
  // and its drafts with it.
  useEffect(() => dispatch({ type: 'opened', post }), [post]);
  // The socket brings `after` forward, see `client.ts`: here it stays where the page was read.
  useEvents(
    COMMENT_CHANGED,
    { postId, after: post.cursor },
    ({ commentChanged: { comment } }) => {
      // A tombstone names nobody. If it was held or rejected, its author still sees it.
      const wasOwn = latest.current.comments[comment.id]?.author.id === session.get()?.user.id;
      dispatch({ type: 'changed', comment });
      if (comment.isDeleted && wasOwn) readUnpublished();
    },
    (error) => (codeOf(error) === 'CURSOR_EXPIRED' ? reopen() : setProblem(error)),
  );
  const [{ data: readers }] = useSubscription({ query: VIEWER_COUNT, variables: { postId } });
  const typists = useTypists(postId);

  useEvents(POST_CHANGED, { postId }, ({ postChanged }) => setDetails(postChanged));
  /** Reads the reader's own comments that others do not see. */
  async function readUnpublished() {
    const author = session.get()?.user;
    if (!author) return dispatch({ type: 'unpublishedRead', comments: [] });
    // If it fails, they are read after the next reconnection.
    const { data } = await client.query(UNPUBLISHED, { postId });
    if (!data?.viewer || session.get()?.user.id !== author.id) return;
    const comments = data.viewer.unpublishedComments.nodes.map(
      (node): Unpublished => ({ ...node, postId, publishedAt: node.createdAt, author }),
    );
    dispatch({ type: 'unpublishedRead', comments });
  }
  async function readDetails() {
    const { data } = await client.query(POST_DETAILS, { id: postId });
    if (data?.post) setDetails(data.post);
  }
  // What was missed of these is not replayed.
  useEffect(() => {
    if (live) readDetails();
    if (live || !reader) readUnpublished();
  }, [live, reader?.id, post]);

  const isOpen = details.isOpen || reader?.role === 'MODERATOR';
  const { commentCount, topLevel } = thread;
  async function loadOlder() {
    const { data, error } = await client.query(OLDER_COMMENTS, { id: postId, after: topLevel.endCursor });
    setProblem(error);
    if (data?.post) dispatch({ type: 'olderLoaded', ...data.post.comments });
  }

  return (
    <article className="post">
      <header>
        <a href="#/">All posts</a>
        <h1 dir="auto">{details.title}</h1>
        <p className="meta">
          <Time of={post.createdAt} />
          {details.url && <a href={details.url}>Read the post</a>}
        </p>
      </header>
      <div className="room" data-live={live}>
        <p role="status">{STATUS[socket]}</p>
        <p className="readers">{live && readers && `${readers.viewerCount} reading`}</p>
        <p className="typing" aria-live="polite">
          {live && typingText(typists)}
        </p>
      </div>
      <section aria-label="Comments">
        <h2 id="count" tabIndex={-1}>
          {commentCount === 1 ? '1 comment' : `${commentCount} comments`}
        </h2>
        {problem && <Problem error={problem} />}
        <Context value={{ postId, isOpen, thread, dispatch }}>
          {!isOpen && <p className="hint">Comments are closed.</p>}
          {/* Hidden only: a text once begun stays. */}
          <div hidden={!isOpen}>
            <Composer label="Write a comment" />
          </div>
          <ol className="comments">
            {ownList(thread, null).map((id) => (
              <CommentThread key={id} id={id} />
            ))}
          </ol>
        </Context>
        {topLevel.hasNextPage && (
          <button className="more" onClick={loadOlder}>
            Older comments
          </button>
        )}
      </section>
    </article>
  );
}

/** Hands over every event. urql's own hook is for the latest value, which is all that a count needs. */
function useEvents<Data, Variables extends Record<string, unknown>>(
  query: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  onData: (data: Data) => void,
  onError?: (error: CombinedError) => void,
) {
  const client = useClient();
  useEffect(() => {
    const subscription = client.subscription(query, variables).subscribe(({ data, error }) => {
      if (data) onData(data);
      if (error) onError?.(error);
    });
    return () => subscription.unsubscribe();
  }, Object.values(variables));
}

/** The names of those who type, by their ids. A new connection begins with those who type then. */
function useTypists(postId: string) {
  const [typists, setTypists] = useState<Record<string, string>>({});
  const live = useValue(connection) === 'live';
  useEffect(() => {
    if (!live) setTypists({});
  }, [live]);
  useEvents(TYPING, { postId }, ({ typing: { user, isTyping } }) =>
    setTypists(({ [user.id]: _, ...others }) => (isTyping ? { ...others, [user.id]: user.name } : others)),
  );
  return Object.values(typists);
}

function typingText(names: string[]) {
  const [one, two] = names.map((name) => <bdi>{name}</bdi>);
  if (names.length === 0) return null;
  if (names.length === 1) return <>{one} is typing…</>;
  if (names.length === 2) {
    return (
      <>
        {one} and {two} are typing…
      </>
    );
  }
  return `${names.length} people are typing…`;
}
