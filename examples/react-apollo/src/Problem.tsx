import { CombinedGraphQLErrors } from '@apollo/client/errors';

/** Says what went wrong; `retry` is for what can be tried again at once. */
export function Problem({ error, retry }: { error: unknown; retry?: () => void }) {
  return (
    <div role="alert">
      <p>{explain(error)}</p>
      {retry && <button onClick={retry}>Try again</button>}
    </div>
  );
}

function explain(error: unknown): string {
  if (!CombinedGraphQLErrors.is(error)) return 'The server cannot be reached just now.';
  const [{ message, extensions }] = error.errors;
  if (extensions?.code !== 'RATE_LIMITED') return message;
  return `That was a little fast. Try again in ${Math.ceil(Number(extensions.retryAfterMs) / 1_000)} s.`;
}
