// Relay: its compiler on schema.graphql, and its runtime with the output.

import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { before } from 'node:test';
import { promisify } from 'node:util';

import { createClient } from 'graphql-ws';
import relay from 'relay-runtime';
import WebSocket from 'ws';

import { resuming } from '../../examples/resume/resume.mjs';
import { mainScenario } from './scenario.mjs';

const { Environment, Network, Observable, RecordSource, Store } = relay;
const { commitMutation, fetchQuery, requestSubscription } = relay;

const artifacts = {};
before(async () => {
  const compiler = createRequire(import.meta.url).resolve('relay-compiler/cli.js');
  const folder = new URL('relay/', import.meta.url);
  await promisify(execFile)(process.execPath, [compiler, 'relay.config.json'], { cwd: folder });
  const files = {
    Post: 'RoomPostQuery',
    CommentChanged: 'RoomCommentChangedSubscription',
    ViewerCount: 'RoomViewerCountSubscription',
    CreateComment: 'RoomCreateCommentMutation',
  };
  for (const [name, file] of Object.entries(files)) {
    artifacts[name] = (await import(new URL(`__generated__/${file}.graphql.js`, folder))).default;
  }
});

mainScenario('Relay', ({ httpUrl, socketUrl, headers, connectionParams }) => {
  const socket = createClient({
    url: socketUrl,
    webSocketImpl: WebSocket,
    connectionParams,
    retryAttempts: Infinity,
    shouldRetry: () => true,
    retryWait: async () => {},
  });
  const resumingSocket = resuming(socket);

  const environment = new Environment({
    network: Network.create(
      async ({ text }, variables) => {
        const body = JSON.stringify({ query: text, variables });
        const request = { method: 'POST', headers: { ...headers, 'Content-Type': 'application/json' }, body };
        return (await fetch(httpUrl, request)).json();
      },
      ({ text }, variables) =>
        Observable.create((sink) => resumingSocket.subscribe({ query: text, variables }, sink)),
    ),
    store: new Store(new RecordSource()),
  });
  return {
    ask(name, variables) {
      if (artifacts[name].params.operationKind === 'query')
        return fetchQuery(environment, artifacts[name], variables).toPromise();
      return new Promise((onCompleted, onError) =>
        commitMutation(environment, {
          mutation: artifacts[name],
          variables: { ...variables, connections: [] },
          onCompleted,
          onError,
        }),
      );
    },
    subscribe(name, variables, { next, error }) {
      const subscription = requestSubscription(environment, {
        subscription: artifacts[name],
        variables,
        onNext: next,
        onError: error,
      });
      return () => subscription.dispose();
    },
    close: () => socket.dispose(),
  };
});
