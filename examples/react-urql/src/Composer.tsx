// Where one writes: a comment, a reply or an edit; and where an anonymous reader takes a name.

import { useRef, useState } from 'react';
import { useMutation } from 'urql';
import type { CombinedError } from 'urql';

import { useOpenPost } from './PostPage';
import { Problem } from './Problem';
import { randomId, session, signIn } from './client';
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
  const reader = useValue(session);
  // Held here, so that who has to sign in anew goes on with it.
  const [body, setBody] = useState(props.text ?? '');
  return reader ? <Editor {...props} body={body} setBody={setBody} /> : <SignIn />;
}

/** The keys of comments that were sent and not answered, by their writer and content. */
const keys = new Map<string, string>();

interface EditorProps extends Props {
  body: string;
  setBody: React.Dispatch<React.SetStateAction<string>>;
}

function Editor({ parentId, label, submit, onClose, body, setBody }: EditorProps) {
  const { postId, dispatch } = useOpenPost();
  const [problem, setProblem] = useState<CombinedError>();
  const [, create] = useMutation(CREATE_COMMENT);
  const typing = useTyping(postId);

  /** Sends a comment. What was sent before without an answer is sent again under its key. */
  async function post(body: string) {
    const { user } = session.get()!;
    const input = { postId, parentId, body };
    const unanswered = JSON.stringify([user.id, input]);
    const idempotencyKey = keys.get(unanswered) ?? randomId();
    keys.set(unanswered, idempotencyKey);
    // Shown until the answer takes its place. The server does not send this page its own comment.
    const now = new Date().toISOString();
    const sending = {
      id: `sending:${randomId()}`,
      postId,
      parentId: parentId ?? null,
      body: body.trim(),
      createdAt: now,
      publishedAt: now,
      editedAt: null,
      isDeleted: false,
      isListed: true,
      replyCount: 0,
      author: user,
    };
    dispatch({ type: 'sending', comment: sending });
    const { data, error } = await create({ input: { ...input, idempotencyKey } });
    dispatch({ type: 'sent', sending });
    if (!data) return error;
    dispatch({ type: 'answered', ...data.createComment });
    keys.delete(unanswered);
  }

  async function send(event: React.FormEvent) {
    event.preventDefault();
    setProblem(undefined);
    setBody('');
    typing(false);
    const error = await (submit ?? post)(body);
    if (!error) return onClose?.();
    // What was typed meanwhile stays, beneath what comes back.
    setBody((typed) => (typed ? `${body}\n${typed}` : body));
    setProblem(error);
  }

  return (
    <form className="composer" onSubmit={send}>
      <textarea
        dir="auto"
        aria-label={label}
        placeholder={`${label}…`}
        value={body}
        autoFocus={!!onClose}
        onChange={({ target }) => {
          setBody(target.value);
          typing(target.value !== '');
        }}
      />
      {problem && <Problem error={problem} />}
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
        <input
          dir="auto"
          value={name}
          onChange={({ target }) => setName(target.value)}
          maxLength={80}
          required
        />
      </label>
      {error && <Problem error={error} />}
      <p className="actions">
        <button className="primary">Join the conversation</button>
      </p>
    </form>
  );
}
