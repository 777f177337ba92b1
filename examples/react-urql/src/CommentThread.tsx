// A comment and its replies, as the thread has them.

import { useRef, useState } from 'react';
import { flushSync } from 'react-dom';
import { useClient, useMutation } from 'urql';
import type { CombinedError } from 'urql';

import { Composer } from './Composer';
import { useOpenPost } from './PostPage';
import { Problem } from './Problem';
import { Time } from './Time';
import { UserName } from './UserName';
import { session } from './client';
import { DELETE_COMMENT, EDIT_COMMENT, MORE_REPLIES } from './operations';
import { isSending, ownList, ownView, repliesTo } from './thread';
import { useValue } from './value';

export function CommentThread({ id }: { id: string }) {
  const client = useClient();
  const { thread, dispatch, isOpen } = useOpenPost();
  const reader = useValue(session);
  const [open, setOpen] = useState<'reply' | 'edit' | 'delete' | null>(null);
  const [, edit] = useMutation(EDIT_COMMENT);
  const [, remove] = useMutation(DELETE_COMMENT);
  const [problem, setProblem] = useState<CombinedError>();
  const article = useRef<HTMLElement>(null);

  const comment = ownView(thread, id);
  const { author } = comment;
  const isUnpublished = comment.status !== 'PUBLISHED';
  const replies = repliesTo(thread, id);
  const replyIds = ownList(thread, id);
  const isOnItsWay = isSending(id);
  const isMine = author.id === reader?.user.id;
  const unseen = comment.replyCount - replies.ids.filter((reply) => !isSending(reply)).length;
  const close = () => {
    flushSync(() => setOpen(null));
    // What had the focus is gone: a reader with a keyboard goes on from here.
    const next = article.current ?? document.getElementById('count');
    if (document.activeElement === document.body) next?.focus({ preventScroll: true });
  };

  async function loadReplies() {
    const { data, error } = await client.query(MORE_REPLIES, { id, after: replies.endCursor });
    setProblem(error);
    if (!data?.comment) return;
    const { replyCount, replies: page } = data.comment;
    dispatch({ type: 'repliesLoaded', parentId: id, replyCount, ...page });
  }

  async function confirmDeletion() {
    const { data, error } = await remove({ id });
    setProblem(error);
    if (!data) return;
    dispatch({ type: 'answered', ...data.deleteComment });
    close();
  }

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
            label="Edit your comment"
            text={comment.body}
            onClose={close}
            submit={async (body) => {
              const { data, error } = await edit({ input: { id, body } });
              if (data) dispatch({ type: 'answered', ...data.editComment });
              return error;
            }}
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
            <button onClick={confirmDeletion}>Yes, delete it</button>
            <button autoFocus onClick={close}>
              Keep it
            </button>
          </p>
        )}
        {problem && <Problem error={problem} />}
        {open === 'reply' && <Composer parentId={id} label={`Reply to ${author.name}`} onClose={close} />}
      </article>

      {replyIds.length > 0 && (
        <ol className="comments">
          {replyIds.map((reply) => (
            <CommentThread key={reply} id={reply} />
          ))}
        </ol>
      )}
      {unseen > 0 && (
        <button className="more" onClick={loadReplies}>
          {unseen === 1 ? 'Show 1 more reply' : `Show ${unseen} more replies`}
        </button>
      )}
    </li>
  );
}

const MARKS = { PUBLISHED: null, PENDING: 'Waits for a moderator', REJECTED: 'Rejected' };

const hueOf = (id: string) => [...id].reduce((hue, char) => (hue * 31 + char.charCodeAt(0)) % 360, 7);
