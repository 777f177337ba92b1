// A comment and its replies, as the cache has them: whatever changes there is shown at once.

import { useApolloClient, useFragment, useMutation, useReactiveVar } from '@apollo/client/react';
import { useState } from 'react';

import { Composer } from './Composer';
import { Time } from './Time';
import { session } from './client';
import { COMMENT_COUNT, DELETE_COMMENT, EDIT_COMMENT, MORE_REPLIES, THREAD } from './operations';

export function CommentThread({ id }: { id: string }) {
  const client = useApolloClient();
  const { data: comment, complete } = useFragment({
    fragment: THREAD,
    fragmentName: 'Thread',
    from: { __typename: 'Comment', id },
  });
  const reader = useReactiveVar(session);
  const [open, setOpen] = useState<'reply' | 'edit' | 'delete' | null>(null);
  const [edit] = useMutation(EDIT_COMMENT);
  const [remove, { error }] = useMutation(DELETE_COMMENT);
  if (!complete) return null;

  const { postId, author, replies } = comment;
  const isOnItsWay = id.startsWith('sending:');
  const isMine = author.id === reader?.user.id;
  const unseen = comment.replyCount - replies.nodes.length;
  const close = () => setOpen(null);
  const removed = () => {
    close();
    client.query({ query: COMMENT_COUNT, variables: { id: postId }, fetchPolicy: 'network-only' });
  };
  return (
    <li className={isOnItsWay ? 'sending' : undefined}>
      <article className="comment" aria-label={`Comment by ${author.name}`}>
        <header>
          <span className="avatar" style={{ '--hue': hueOf(author.id) } as React.CSSProperties} aria-hidden>
            {author.name[0]}
          </span>
          <b>{author.name}</b>
          <Time of={comment.createdAt} />
          {comment.editedAt && !comment.isDeleted && <span>edited</span>}
        </header>

        {open === 'edit' ? (
          <Composer
            postId={postId}
            label="Edit your comment"
            text={comment.body}
            onClose={close}
            submit={(body) => edit({ variables: { input: { id, body } } })}
          />
        ) : (
          <p className="body">{comment.isDeleted ? <i>This comment was deleted.</i> : comment.body}</p>
        )}

        {reader && !comment.isDeleted && !isOnItsWay && open === null && (
          <p className="actions">
            <button onClick={() => setOpen('reply')}>Reply</button>
            {isMine && <button onClick={() => setOpen('edit')}>Edit</button>}
            {isMine && <button onClick={() => setOpen('delete')}>Delete</button>}
          </p>
        )}
        {open === 'delete' && (
          <p className="actions">
            Delete this comment?
            <button onClick={() => remove({ variables: { id }, onCompleted: removed }).catch(() => {})}>
              Yes, delete it
            </button>
            <button onClick={close}>Keep it</button>
          </p>
        )}
        {error && <p role="alert">{error.message}</p>}
        {open === 'reply' && (
          <Composer postId={postId} parentId={id} label={`Reply to ${author.name}`} onClose={close} />
        )}
      </article>

      {comment.replyCount > 0 && (
        <ol className="comments">
          {replies.nodes.map((reply) => (
            <CommentThread key={reply.id} id={reply.id} />
          ))}
        </ol>
      )}
      {unseen > 0 && (
        <button
          className="more"
          onClick={() =>
            client.query({
              query: MORE_REPLIES,
              variables: { id, after: replies.pageInfo.endCursor },
              fetchPolicy: 'network-only',
            })
          }
        >
          {unseen === 1 ? 'Show 1 more reply' : `Show ${unseen} more replies`}
        </button>
      )}
    </li>
  );
}

const hueOf = (id: string) => [...id].reduce((hue, char) => (hue * 31 + char.charCodeAt(0)) % 360, 7);
