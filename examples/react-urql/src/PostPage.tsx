// A post and its room: the comments as they are written, who reads, and who types.

import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { createContext, useContext, useEffect, useReducer, useState } from 'react';
import { useClient, useQuery, useSubscription } from 'urql';
import type { CombinedError } from 'urql';

import { CommentThread } from './CommentThread';
import { Composer } from './Composer';
import { Problem } from './Problem';
import { Time } from './Time';
import { codeOf, connection } from './client';
import type { PostQuery } from './gql/graphql';
import { COMMENT_CHANGED, OLDER_COMMENTS, POST, TYPING, VIEWER_COUNT } from './operations';
import { open, reduce } from './thread';
import type { Action, Thread } from './thread';
import { useValue } from './value';

interface OpenPost {
  postId: string;
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
  const [problem, setProblem] = useState<CombinedError>();

  // If the feed has no such place any more, as after a restored backup, the post is read again. The room stays,
  // and its drafts with it.
  useEffect(() => dispatch({ type: 'opened', post }), [post]);
  // The socket brings `after` forward, see `client.ts`: here it stays where the page was read.
  useEvents(
    COMMENT_CHANGED,
    { postId, after: post.cursor },
    ({ commentChanged: { comment } }) => dispatch({ type: 'changed', comment }),
    (error) => (codeOf(error) === 'CURSOR_EXPIRED' ? reopen() : setProblem(error)),
  );
  const [{ data: readers }] = useSubscription({ query: VIEWER_COUNT, variables: { postId } });
  const typists = useTypists(postId);
  const socket = useValue(connection);
  const live = socket === 'live';

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
        <h1 dir="auto">{post.title}</h1>
        <p className="meta">
          <Time of={post.createdAt} />
          {post.url && <a href={post.url}>Read the post</a>}
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
        <Context value={{ postId, thread, dispatch }}>
          <Composer label="Write a comment" />
          <ol className="comments">
            {topLevel.ids.map((id) => (
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
