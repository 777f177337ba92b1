// A comment and its replies, as the cache has them: whatever changes there is shown at once.

import { useApolloClient, useFragment, useMutation, useReactiveVar } from '@apollo/client/react';
import { useRef, useState } from 'react';
import { flushSync } from 'react-dom';

import { Composer } from './Composer';
import { Problem } from './Problem';
import { Time } from './Time';
import { UserName } from './UserName';
import { session } from './client';
import { DELETE_COMMENT, EDIT_COMMENT, MORE_REPLIES, THREAD } from './operations';
import { isSending } from './place';
import { release, take, useOwnList, useOwnView } from './unpublished';

interface Props {
  id: string;
  /** False if the post takes no comments of this reader. */
  isOpen: boolean;
}

export function CommentThread({ id, isOpen }: Props) {
  const client = useApolloClient();
  const { data, complete } = useFragment({
    fragment: THREAD,
    fragmentName: 'Thread',
    from: { __typename: 'Comment', id },
  });
  const comment = useOwnView(id, complete ? data : undefined);
  const replyIds = useOwnList(comment?.replies.nodes ?? [], comment?.postId ?? '', id, 'oldest first');
  const reader = useReactiveVar(session);
  const [open, setOpen] = useState<'reply' | 'edit' | 'delete' | null>(null);
  const [edit] = useMutation(EDIT_COMMENT);
  const [remove] = useMutation(DELETE_COMMENT);
  const [problem, setProblem] = useState<Error>();
  const article = useRef<HTMLElement>(null);
  if (!comment) return null;

  const { postId, author, replies } = comment;
  const isUnpublished = comment.status !== 'PUBLISHED';
  const isOnItsWay = isSending(comment);
  const isMine = author.id === reader?.user.id;
  const unseen = comment.replyCount - replies.nodes.filter((reply) => !isSending(reply)).length;
  const close = () => {
    flushSync(() => setOpen(null));
    // What had the focus is gone: a reader with a keyboard goes on from here.
    const next = article.current ?? document.getElementById('count');
    if (document.activeElement === document.body) next?.focus({ preventScroll: true });
  };

  async function confirmDeletion() {
    await remove({
      variables: { id },
      fetchPolicy: 'no-cache',
      update(cache, { data }) {
        if (!data) return;
        release(id);
        take(cache, data.deleteComment.comment);
      },
    });
    close();
  }

  function loadReplies() {
    const variables = { id, after: replies.pageInfo.endCursor };
    return client.query({ query: MORE_REPLIES, variables, fetchPolicy: 'network-only' });
  }

  const attempt = (action: () => Promise<unknown>) => () =>
    action().then(() => setProblem(undefined), setProblem);

  return (
    <li className={isOnItsWay ? 'sending' : isUnpublished ? 'unpublished' : undefined}>
      <article ref={article} tabIndex={-1} className="comment" aria-label={`Comment by ${author.name}`}>
        <header>
          <span className="avatar" style={{ '--hue': hueOf(author.id) } as React.CSSProperties} aria-hidden>
            {author.name[0]}
          </span>
          <UserName user={author} />
          <Time of={comment.createdAt} />
          {comment.editedAt && !comment.isDeleted && <span>edited</span>}
          {isUnpublished && <span className="mark">{MARKS[comment.status]}</span>}
        </header>

        {open === 'edit' ? (
          <Composer
            postId={postId}
            label="Edit your comment"
            text={comment.body}
            onClose={close}
            submit={(body) =>
              edit({
                variables: { input: { id, body } },
                fetchPolicy: 'no-cache',
                update: (cache, { data }) => data && take(cache, data.editComment.comment, data.editComment.status),
              })
            }
          />
        ) : (
          <p className="body" dir="auto">{comment.isDeleted ? <i>This comment was deleted.</i> : comment.body}</p>
        )}

        {reader && !comment.isDeleted && !isOnItsWay && open === null && (
          <p className="actions">
            {isOpen && !isUnpublished && <button onClick={() => setOpen('reply')}>Reply</button>}
            {isMine && <button onClick={() => setOpen('edit')}>Edit</button>}
            {isMine && <button onClick={() => setOpen('delete')}>Delete</button>}
          </p>
        )}
        {open === 'delete' && (
          <p className="actions">
            Delete this comment?
            <button onClick={attempt(confirmDeletion)}>Yes, delete it</button>
            <button autoFocus onClick={close}>
              Keep it
            </button>
          </p>
        )}
        {problem && <Problem error={problem} />}
        {open === 'reply' && (
          <Composer postId={postId} parentId={id} label={`Reply to ${author.name}`} onClose={close} />
        )}
      </article>

      {replyIds.length > 0 && (
        <ol className="comments">
          {replyIds.map((reply) => (
            <CommentThread key={reply} id={reply} isOpen={isOpen} />
          ))}
        </ol>
      )}
      {unseen > 0 && (
        <button className="more" onClick={attempt(loadReplies)}>
          {unseen === 1 ? 'Show 1 more reply' : `Show ${unseen} more replies`}
        </button>
      )}
    </li>
  );
}

const MARKS = { PUBLISHED: null, PENDING: 'Waits for a moderator', REJECTED: 'Rejected' };

const hueOf = (id: string) => [...id].reduce((hue, char) => (hue * 31 + char.charCodeAt(0)) % 360, 7);
