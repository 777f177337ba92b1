// Where one writes: a comment, a reply or an edit; and where an anonymous reader takes a name.

import { useRef, useState } from 'react';
import { useMutation } from 'urql';
import type { CombinedError } from 'urql';

import { useOpenPost } from './PostPage';
import { session, signIn } from './client';
import { CREATE_COMMENT, SET_TYPING, SIGN_IN_AS_GUEST } from './operations';
import { useValue } from './value';

interface Props {
  parentId?: string;
  label: string;
  text?: string;
  /** What to do with the text, where it is not a new comment. */
  submit?: (body: string) => Promise<CombinedError | undefined>;
  /** It was sent, or given up. */
  onClose?: () => void;
}

export function Composer(props: Props) {
  return useValue(session) ? <Editor {...props} /> : <SignIn />;
}

function Editor({ parentId, label, text = '', submit, onClose }: Props) {
  const { postId, dispatch } = useOpenPost();
  const [body, setBody] = useState(text);
  const [problem, setProblem] = useState<CombinedError>();
  const [, create] = useMutation(CREATE_COMMENT);
  const typing = useTyping(postId);

  async function post(body: string) {
    // Shown until the answer takes its place. The server does not send this page its own comment.
    const sending = {
      id: `sending:${crypto.randomUUID()}`,
      postId,
      parentId: parentId ?? null,
      body: body.trim(),
      createdAt: new Date().toISOString(),
      editedAt: null,
      isDeleted: false,
      replyCount: 0,
      author: session.get()!.user,
    };
    dispatch({ type: 'added', comment: sending });
    const { data, error } = await create({ input: { postId, parentId, body } });
    if (data) dispatch({ type: 'sent', sending: sending.id, comment: data.createComment.comment });
    else dispatch({ type: 'refused', sending });
    return error;
  }

  async function send(event: React.FormEvent) {
    event.preventDefault();
    setProblem(undefined);
    setBody('');
    typing(false);
    const error = await (submit ?? post)(body);
    if (!error) return onClose?.();
    setBody(body);
    setProblem(error);
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
      {problem && <p role="alert">{explain(problem)}</p>}
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
  const [, setTyping] = useMutation(SET_TYPING);
  const saidAt = useRef(0);
  return (isTyping: boolean) => {
    if (isTyping ? Date.now() - saidAt.current < 2_500 : saidAt.current === 0) return;
    saidAt.current = isTyping ? Date.now() : 0;
    // That it was lost is nobody's trouble: the next one tells.
    setTyping({ input: { postId, isTyping } });
  };
}

function SignIn() {
  const [name, setName] = useState('');
  const [{ error }, signInAsGuest] = useMutation(SIGN_IN_AS_GUEST);
  return (
    <form
      className="composer"
      onSubmit={async (event) => {
        event.preventDefault();
        const { data } = await signInAsGuest({ name });
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

export function explain({ graphQLErrors: [error] }: CombinedError): string {
  if (!error) return 'The server cannot be reached just now.';
  if (error.extensions.code !== 'RATE_LIMITED') return error.message;
  return `That was a little fast. Try again in ${Math.ceil(Number(error.extensions.retryAfterMs) / 1_000)} s.`;
}
