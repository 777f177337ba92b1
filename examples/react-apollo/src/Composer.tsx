// Where one writes: a comment, a reply or an edit; and where an anonymous reader takes a name.

import { CombinedGraphQLErrors } from '@apollo/client/errors';
import { useMutation, useReactiveVar } from '@apollo/client/react';
import { useRef, useState } from 'react';

import { addComment } from './addComment';
import { session, signIn } from './client';
import { CREATE_COMMENT, SET_TYPING, SIGN_IN_AS_GUEST } from './operations';

interface Props {
  postId: string;
  parentId?: string;
  label: string;
  text?: string;
  /** What to do with the text, where it is not a new comment. */
  submit?: (body: string) => Promise<unknown>;
  /** It was sent, or given up. */
  onClose?: () => void;
}

export function Composer(props: Props) {
  return useReactiveVar(session) ? <Editor {...props} /> : <SignIn />;
}

function Editor({ postId, parentId, label, text = '', submit, onClose }: Props) {
  const [body, setBody] = useState(text);
  const [problem, setProblem] = useState('');
  const [create] = useMutation(CREATE_COMMENT);
  const typing = useTyping(postId);

  async function post(body: string) {
    const { user } = session()!;
    await create({
      variables: { input: { postId, parentId, body } },
      // Shown until the answer takes its place. The server does not send this page its own comment.
      optimisticResponse: {
        createComment: {
          __typename: 'CreateCommentPayload',
          comment: {
            __typename: 'Comment',
            id: `sending:${crypto.randomUUID()}`,
            postId,
            parentId: parentId ?? null,
            body: body.trim(),
            createdAt: new Date().toISOString(),
            editedAt: null,
            isDeleted: false,
            replyCount: 0,
            author: { __typename: 'User', ...user },
          },
        },
      },
      update: (cache, { data }) => data && addComment(cache, data.createComment.comment),
    });
  }

  async function send(event: React.FormEvent) {
    event.preventDefault();
    setProblem('');
    setBody('');
    typing(false);
    try {
      await (submit ?? post)(body);
      onClose?.();
    } catch (error) {
      setBody(body);
      setProblem(explain(error));
    }
  }

  return (
    <form className="composer" onSubmit={send}>
      <textarea
        aria-label={label}
        placeholder={`${label}…`}
        value={body}
        autoFocus={!!onClose}
        onChange={({ target }) => {
          setBody(target.value);
          typing(target.value !== '');
        }}
      />
      {problem && <p role="alert">{problem}</p>}
      <p className="actions">
        <button className="primary" disabled={!body.trim()}>
          {submit ? 'Save' : parentId ? 'Reply' : 'Comment'}
        </button>
        {onClose && (
          <button
            type="button"
            onClick={() => {
              typing(false);
              onClose();
            }}
          >
            Cancel
          </button>
        )}
      </p>
    </form>
  );
}

/** Tells the others that one types: again and again, for the server forgets it after six seconds. */
function useTyping(postId: string) {
  const [setTyping] = useMutation(SET_TYPING);
  const saidAt = useRef(0);
  return (isTyping: boolean) => {
    if (isTyping ? Date.now() - saidAt.current < 2_500 : saidAt.current === 0) return;
    saidAt.current = isTyping ? Date.now() : 0;
    // That it was lost is nobody's trouble: the next one tells.
    setTyping({ variables: { input: { postId, isTyping } } }).catch(() => {});
  };
}

function SignIn() {
  const [name, setName] = useState('');
  const [signInAsGuest, { error }] = useMutation(SIGN_IN_AS_GUEST);
  return (
    <form
      className="composer"
      onSubmit={async (event) => {
        event.preventDefault();
        const { data } = await signInAsGuest({ variables: { name } }).catch(() => ({ data: undefined }));
        if (data) signIn(data.signInAsGuest);
      }}
    >
      <label>
        To write, choose a name
        <input value={name} onChange={({ target }) => setName(target.value)} maxLength={80} required />
      </label>
      {error && <p role="alert">{explain(error)}</p>}
      <p className="actions">
        <button className="primary">Join the conversation</button>
      </p>
    </form>
  );
}

function explain(error: unknown): string {
  if (!CombinedGraphQLErrors.is(error)) return 'The server cannot be reached just now.';
  const [{ message, extensions }] = error.errors;
  if (extensions?.code !== 'RATE_LIMITED') return message;
  return `That was a little fast. Try again in ${Math.ceil(Number(extensions.retryAfterMs) / 1_000)} s.`;
}
