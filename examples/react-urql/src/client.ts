// urql for Causerie: queries and mutations over HTTP, subscriptions over one WebSocket.

import { retryExchange } from '@urql/exchange-retry';
import { Client, fetchExchange, makeOperation, mapExchange, subscriptionExchange } from 'urql';
import type { CombinedError, Operation } from 'urql';
import { createClient } from 'graphql-ws';
import type { Client as Socket } from 'graphql-ws';

import type { CommentFragment } from './gql/graphql';
import { Value } from './value';

/** Random, and so unique. `crypto.randomUUID` is missing where a page came over plain HTTP. */
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Names this page to the server, which therefore does not send it what it did itself. */
const clientId = randomId();

/** The page's own server passes it on, see vite.config.ts; or another that allows this page's origin. */
const endpoint = new URL(import.meta.env.VITE_CAUSERIE ?? '/graphql', location.href);

/** How the socket stands. */
export const connection = new Value<'connecting' | 'live' | 'lost'>('connecting');

/** Who reads; null for an anonymous reader. A site with accounts would ask its own backend for a token. */
export interface Session {
  token: string;
  user: CommentFragment['author'];
}

const KEY = 'causerie-session';
export const session = new Value<Session | null>(JSON.parse(sessionStorage.getItem(KEY) ?? 'null'));

function keep(next: Session | null) {
  session.set(next);
  sessionStorage.setItem(KEY, JSON.stringify(next));
}

/** A token that is refused is given up, and what was asked with it is asked as an anonymous reader. */
async function fetchAsGuestIfRefused(input: RequestInfo | URL, init?: RequestInit) {
  const response = await fetch(input, init);
  const headers = new Headers(init?.headers);
  if (response.status !== 401 || !headers.has('Authorization')) return response;
  if (headers.get('Authorization') === `Bearer ${session.get()?.token}`) keep(null);
  headers.delete('Authorization');
  return fetch(input, { ...init, headers });
}

/** Changes who reads. The socket introduces itself anew, and comes back to where it was. */
export function signIn(next: Session | null) {
  keep(next);
  socket.terminate();
}

let pongIsLate: number | undefined;
const socket = createClient({
  url: endpoint.href.replace(/^http/, 'ws'),
  // Asked for at each connection: the token may be another by then.
  connectionParams: () => ({ clientId, authorization: session.get()?.token }),
  retryAttempts: Infinity,
  // While the network is down the attempt itself fails, which graphql-ws would take for the end.
  shouldRetry: () => true,
  retryWait: (retries) => {
    const longest = Math.min(1_000 * 2 ** retries, 15_000);
    return Promise.race([
      new Promise<void>((resolve) => setTimeout(resolve, Math.random() * longest)),
      new Promise<void>((resolve) => addEventListener('online', () => resolve(), { once: true })),
    ]);
  },
  // A network may also fall silent: then it is the answer to a ping that does not come.
  keepAlive: 10_000,
  on: {
    connected: () => connection.set('live'),
    closed: (event) => {
      clearTimeout(pongIsLate);
      const { code } = event as CloseEvent;
      const nobodySubscribes = code === 1000;
      if (nobodySubscribes) connection.set('connecting');
      else if (connection.get() === 'live') connection.set('lost');
      const tokenWasRefused = code === 4403;
      if (tokenWasRefused) keep(null);
    },
    ping: (received) => {
      if (!received) pongIsLate = window.setTimeout(() => socket.terminate(), 5_000);
    },
    pong: (received) => {
      if (received) clearTimeout(pongIsLate);
    },
  },
});

/**
 * Subscriptions that miss nothing. graphql-ws connects again by itself and subscribes again with the
 * very same payload: so `after` is brought forward with every event.
 */
const subscribe: Socket['subscribe'] = (payload, sink) => {
  const variables = { ...payload.variables };
  let leave = () => {};
  let again: number | undefined;
  const start = () => {
    leave = socket.subscribe<any, any>(
      { ...payload, variables },
      {
        ...sink,
        next(result) {
          const cursor = result.data?.commentChanged?.cursor;
          if (cursor) variables.after = cursor;
          sink.next(result);
        },
        error(errors) {
          // The server's database is away for a moment.
          const code = Array.isArray(errors) && errors[0]?.extensions?.code;
          if (code === 'SERVICE_UNAVAILABLE') again = window.setTimeout(start, 2_000 + 3_000 * Math.random());
          else sink.error(errors);
        },
      },
    );
  };
  start();
  return () => {
    clearTimeout(again);
    leave();
  };
};

/** The errors after which the comment may be there, or which pass. */
const UNANSWERED = ['OUTCOME_UNKNOWN', 'SERVICE_UNAVAILABLE', 'OPERATION_TIMEOUT', 'SERVICE_RESTART'];

export const codeOf = (error: CombinedError) => error.graphQLErrors[0]?.extensions.code;

/** Sends a comment again that was not answered. With its key it is there once, however often it is sent. */
const retry = retryExchange({
  initialDelayMs: 500,
  maxNumberAttempts: 3,
  retryIf: (error, { variables }: Operation) =>
    Boolean(variables?.input?.idempotencyKey) &&
    (error.networkError !== undefined || UNANSWERED.includes(codeOf(error) as string)),
});

/** Names the reader. It comes before `retry`, so that what is sent again is sent as its own writer. */
const identity = mapExchange({
  onOperation(operation) {
    const token = session.get()?.token;
    const headers = { 'X-Client-Id': clientId, ...(token && { Authorization: `Bearer ${token}` }) };
    return makeOperation(operation.kind, operation, { ...operation.context, fetchOptions: { headers } });
  },
});

// There is no cache exchange: an open post is kept up to date by its feed, see `thread.ts`.
export const client = new Client({
  url: endpoint.href,
  preferGetMethod: false,
  fetch: fetchAsGuestIfRefused,
  exchanges: [
    identity,
    retry,
    fetchExchange,
    subscriptionExchange({
      forwardSubscription: ({ query = '', variables }) => ({
        subscribe: (sink) => ({ unsubscribe: subscribe({ query, variables }, sink) }),
      }),
    }),
  ],
});
