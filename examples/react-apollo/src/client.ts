// Apollo Client for Causerie: queries and mutations over HTTP, subscriptions over one WebSocket.

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, makeVar } from '@apollo/client';
import type { FieldPolicy, Reference } from '@apollo/client';
import { SetContextLink } from '@apollo/client/link/context';
import { CombinedGraphQLErrors } from '@apollo/client/errors';
import { RetryLink } from '@apollo/client/link/retry';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { createClient } from 'graphql-ws';
import type { Client } from 'graphql-ws';
import { map } from 'rxjs';

import type { CommentFragment, ThreadFragment } from './gql/graphql';

/** Random, and so unique. `crypto.randomUUID` is missing where a page came over plain HTTP. */
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Names this page to the server, which therefore does not send it what it did itself. */
const clientId = randomId();

/** The page's own server passes it on, see vite.config.ts; or another that allows this page's origin. */
const endpoint = new URL(import.meta.env.VITE_CAUSERIE ?? '/graphql', location.href);

/** How the socket stands. This and the session are for `useReactiveVar`. */
export const connection = makeVar<'connecting' | 'live' | 'lost'>('connecting');

/** Who reads; null for an anonymous reader. A site with accounts would ask its own backend for a token. */
export interface Session {
  token: string;
  user: CommentFragment['author'];
}

const KEY = 'causerie-session';
export const session = makeVar<Session | null>(JSON.parse(sessionStorage.getItem(KEY) ?? 'null'));

function keep(next: Session | null) {
  session(next);
  sessionStorage.setItem(KEY, JSON.stringify(next));
}

/** A token that is refused is given up, and what was asked with it is asked as an anonymous reader. */
async function fetchAsGuestIfRefused(input: RequestInfo | URL, init?: RequestInit) {
  const response = await fetch(input, init);
  const headers = new Headers(init?.headers);
  if (response.status !== 401 || !headers.has('Authorization')) return response;
  if (headers.get('Authorization') === `Bearer ${session()?.token}`) keep(null);
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
  connectionParams: () => ({ clientId, authorization: session()?.token }),
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
    connected: () => connection('live'),
    closed: (event) => {
      clearTimeout(pongIsLate);
      const { code } = event as CloseEvent;
      const nobodySubscribes = code === 1000;
      if (nobodySubscribes) connection('connecting');
      else if (connection() === 'live') connection('lost');
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
function resuming(client: Client): Client {
  return {
    ...client,
    subscribe(payload, sink) {
      const variables = { ...payload.variables };
      let leave = () => {};
      let again: number | undefined;
      const start = () => {
        leave = client.subscribe<any, any>(
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
    },
  };
}

/** Names the reader. It comes before `retry`, so that what is sent again is sent as its own writer. */
const identity = new SetContextLink(({ headers }) => {
  const token = session()?.token;
  return {
    headers: { ...headers, 'X-Client-Id': clientId, ...(token && { Authorization: `Bearer ${token}` }) },
  };
});

/** The errors after which the comment may be there, or which pass. */
const UNANSWERED = ['OUTCOME_UNKNOWN', 'SERVICE_UNAVAILABLE', 'OPERATION_TIMEOUT', 'SERVICE_RESTART'];

export const codeOf = (error: unknown) =>
  CombinedGraphQLErrors.is(error) ? error.errors[0].extensions?.code : undefined;

const isUnanswered = (error: unknown) =>
  !CombinedGraphQLErrors.is(error) || UNANSWERED.includes(codeOf(error) as string);

/** Sends a comment again that was not answered. With its key it is there once, however often it is sent. */
const retry = new RetryLink({
  delay: { initial: 500 },
  attempts: { max: 3, retryIf: (error, { operationName }) => operationName === 'CreateComment' && isUnanswered(error) },
});

/** RetryLink sees failures of the link beneath it, and not the errors in its results. */
const failing = new ApolloLink((operation, forward) =>
  forward(operation).pipe(
    map((result) => {
      const error = result.errors?.length && new CombinedGraphQLErrors(result);
      if (error && isUnanswered(error)) throw error;
      return result;
    }),
  ),
);

interface Page {
  nodes: Reference[];
  pageInfo: object;
}

/** The pages of one list are one list, in which nothing is twice. */
const pages: FieldPolicy<Page> = {
  keyArgs: ['order'],
  merge(existing, incoming, { args, readField }) {
    if (!existing || !args?.after) return incoming;
    const arrived = new Set(incoming.nodes.map((node) => node.__ref));
    const kept = existing.nodes.filter((node) => !arrived.has(node.__ref));
    const nodes = [...kept, ...incoming.nodes];
    // A live reply may have come before the pages that precede it.
    const publishedAt = (node: Reference) => readField<string>('publishedAt', node) ?? '';
    const oldestFirst = nodes.sort((a, b) => publishedAt(a).localeCompare(publishedAt(b)));
    return { ...incoming, nodes: args.order === 'NEWEST_FIRST' ? oldestFirst.reverse() : oldestFirst };
  },
};

/** A comment that is new, or deep in its thread, comes without its replies: they are none yet, or not loaded. */
export const NO_REPLIES: ThreadFragment['replies'] = {
  __typename: 'CommentConnection',
  nodes: [],
  pageInfo: { __typename: 'PageInfo', hasNextPage: false, endCursor: null },
};

export const client = new ApolloClient({
  link: ApolloLink.split(
    ({ operationType }) => operationType === 'subscription',
    new GraphQLWsLink(resuming(socket)),
    ApolloLink.from([identity, retry, failing, new HttpLink({ uri: endpoint.href, fetch: fetchAsGuestIfRefused })]),
  ),
  cache: new InMemoryCache({
    typePolicies: {
      Post: { fields: { comments: pages } },
      Comment: { fields: { replies: { ...pages, read: (replies = NO_REPLIES as never) => replies } } },
    },
  }),
});
