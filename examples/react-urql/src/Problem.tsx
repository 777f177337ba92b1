import type { CombinedError } from 'urql';

/** Says what went wrong; `retry` is for what can be tried again at once. */
export function Problem({ error, retry }: { error: CombinedError; retry?: () => void }) {
  return (
    <div role="alert">
      <p>{explain(error)}</p>
      {retry && <button onClick={retry}>Try again</button>}
    </div>
  );
}

function explain({ graphQLErrors: [error] }: CombinedError): string {
  if (!error) return 'The server cannot be reached just now.';
  if (error.extensions.code !== 'RATE_LIMITED') return error.message;
  return `That was a little fast. Try again in ${Math.ceil(Number(error.extensions.retryAfterMs) / 1_000)} s.`;
}
