// A post and its room: the comments as they are written, who reads, and who types.

import { useApolloClient, useQuery, useReactiveVar, useSubscription } from '@apollo/client/react';
import { useEffect, useState } from 'react';

import { CommentThread } from './CommentThread';
import { Composer } from './Composer';
import { Problem } from './Problem';
import { Time } from './Time';
import { codeOf, connection, session } from './client';
import type { PostQuery } from './gql/graphql';
import {
  COMMENT_CHANGED,
  OLDER_COMMENTS,
  POST,
  POST_CHANGED,
  POST_DETAILS,
  TYPING,
  VIEWER_COUNT,
} from './operations';
import { known } from './place';
import { readUnpublished, take, useOwnList } from './unpublished';

const STATUS = { connecting: 'Connecting…', live: 'Live', lost: 'Reconnecting…' };

export function PostPage({ id }: { id: string }) {
  // What the cache has of a post is as old as the last visit: the room begins with a fresh one.
  const { data, error, refetch, fetchMore } = useQuery(POST, {
    variables: { id },
    fetchPolicy: 'network-only',
    nextFetchPolicy: 'cache-first',
  });
  const [problem, setProblem] = useState<Error>();
  // That it failed again is told by `error`.
  if (error) return <Problem error={error} retry={() => refetch().catch(() => {})} />;
  if (!data) return <p className="hint">Loading…</p>;
  if (!data.post) return <h1>There is no such post</h1>;

  const { pageInfo } = data.post.comments;
  const loadOlder = () =>
    fetchMore({ query: OLDER_COMMENTS, variables: { id, after: pageInfo.endCursor } }).then(
      () => setProblem(undefined),
      setProblem,
    );
  /** Reads the post again, and returns where its feed stands then. */
  const reopen = async () => {
    const read = await refetch().catch(setProblem);
    return read?.data?.post?.cursor;
  };
  return (
    <Room post={data.post} reopen={reopen}>
      {problem && <Problem error={problem} />}
      {pageInfo.hasNextPage && (
        <button className="more" onClick={loadOlder}>
          Older comments
        </button>
      )}
    </Room>
  );
}

type Post = NonNullable<PostQuery['post']>;

interface RoomProps {
  post: Post;
  reopen: () => Promise<string | undefined>;
  children: React.ReactNode;
}

function Room({ post, reopen, children }: RoomProps) {
  const postId = post.id;
  const client = useApolloClient();
  // Where the feed stood when the page was read. The socket brings it forward, see `resuming`.
  const [after, setAfter] = useState(post.cursor);
  const changes = useSubscription(COMMENT_CHANGED, {
    variables: { postId, after },
    ignoreResults: true,
    // `take` writes to the cache: a tombstone names nobody, so its author must be read before.
    fetchPolicy: 'no-cache',
    onData({ data: { data } }) {
      if (!data) return;
      const { comment } = data.commentChanged;
      const author = known(client.cache, comment.id)?.author;
      take(client.cache, comment);
      // If it was held or rejected, its author still sees it.
      if (comment.isDeleted && author && author.id === session()?.user.id) readUnpublished(client, postId);
    },
    async onError(error) {
      if (codeOf(error) !== 'CURSOR_EXPIRED') return;
      // The feed has no such place any more, as after a restored backup. The room stays, and its drafts with it.
      const cursor = await reopen();
      if (cursor) setAfter(cursor);
    },
  });
  // The cache has the post, under its id.
  useSubscription(POST_CHANGED, { variables: { postId }, ignoreResults: true });
  const readers = useSubscription(VIEWER_COUNT, { variables: { postId } }).data?.viewerCount;
  const typists = useTypists(postId);
  const socket = useReactiveVar(connection);
  const live = socket === 'live';
  const reader = useReactiveVar(session)?.user;
  // What was missed of these is not replayed.
  useEffect(() => {
    const details = { query: POST_DETAILS, variables: { id: postId }, fetchPolicy: 'network-only' } as const;
    if (live) client.query(details).catch(() => {});
    if (live || !reader) readUnpublished(client, postId);
  }, [live, reader?.id, after]);
  const ids = useOwnList(post.comments.nodes, postId, null, 'newest first');
  const isOpen = post.isOpen || reader?.role === 'MODERATOR';

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
        <p className="readers">{live && readers !== undefined && `${readers} reading`}</p>
        <p className="typing" aria-live="polite">
          {live && typingText(typists)}
        </p>
      </div>
      <section aria-label="Comments">
        <h2 id="count" tabIndex={-1}>
          {post.commentCount === 1 ? '1 comment' : `${post.commentCount} comments`}
        </h2>
        {changes.error && <Problem error={changes.error} />}
        {!isOpen && <p className="hint">Comments are closed.</p>}
        {/* Hidden only: a text once begun stays. */}
        <div hidden={!isOpen}>
          <Composer postId={postId} label="Write a comment" />
        </div>
        <ol className="comments">
          {ids.map((id) => (
            <CommentThread key={id} id={id} isOpen={isOpen} />
          ))}
        </ol>
        {children}
      </section>
    </article>
  );
}

/** The names of those who type, by their ids. A new connection begins with those who type then. */
function useTypists(postId: string) {
  const [typists, setTypists] = useState<Record<string, string>>({});
  const live = useReactiveVar(connection) === 'live';
  useEffect(() => {
    if (!live) setTypists({});
  }, [live]);
  useSubscription(TYPING, {
    variables: { postId },
    ignoreResults: true,
    onData({ data: { data } }) {
      if (!data) return;
      const { user, isTyping } = data.typing;
      setTypists(({ [user.id]: _, ...others }) => (isTyping ? { ...others, [user.id]: user.name } : others));
    },
  });
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
