// Starts the real server for a test, and acts as its host site and its readers.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { within } from './within.mjs';

// Before anything is started that would have to end.
const binary = process.env.CAUSERIE_BIN;
assert.ok(binary, 'set CAUSERIE_BIN to the path of the causerie binary that is to be tested');

/** Returns the settings of servers that replace each other on one database, until `remove`. */
export async function keptDatabase() {
  const folder = await mkdtemp(join(tmpdir(), 'causerie-'));
  return {
    databaseUrl: `sqlite://${folder}/test.db?mode=rwc`,
    secret: randomBytes(32).toString('hex'),
    remove: () => rm(folder, { recursive: true }),
  };
}

/**
 * Starts a server. The tests are its host site, so they hold the secret that its tokens are signed with.
 *
 * With `databaseUrl` it serves that database, which outlives it. Without one it is a demo, whose
 * database is deleted with it. `port` 0 means a free one. A server that is replaced needs a `secret`. `env`
 * has more settings.
 */
export async function startServer({
  port = 0,
  databaseUrl,
  secret = randomBytes(32).toString('hex'),
  env = {},
} = {}) {
  const database = databaseUrl ? ['--database-url', databaseUrl] : ['--demo'];
  const child = spawn(binary, ['serve', ...database, '--listen', `127.0.0.1:${port}`], {
    // A test's user does in a second what people do in an hour.
    env: { ...process.env, JWT_SECRET: secret, JWT_LEEWAY: '0s', RATE_LIMITS: 'off', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (chunk) => (log += chunk));
  const exited = once(child, 'exit');

  const announced = once(createInterface(child.stdout), 'line').then(([line]) => line);
  const died = exited.then(([code, signal]) => {
    throw new Error(`the server ended (${signal ?? code}) before it listened:\n${log}`);
  });
  died.catch(() => {}); // Once the server has listened, its end is no failure.
  const line = await within(Promise.race([announced, died]), 'the server listens');
  const [, url] = line.match(/^listening on (http:\/\/127\.0\.0\.1:\d+)$/) ?? [];
  assert.ok(url, `the server should say where it listens, and said: ${line}`);
  return new Server(child, exited, url, secret, () => log);
}

class Server {
  #child;
  #exited;
  #secret;
  #log;

  constructor(child, exited, url, secret, log) {
    this.#child = child;
    this.#exited = exited;
    this.#secret = secret;
    this.#log = log;
    this.url = url;
    this.port = Number(new URL(url).port);
    this.socketUrl = `${url.replace(/^http/, 'ws')}/graphql`;
  }

  /** Stops the server as an operator does, and asserts that it exits in time with 0. */
  async stop() {
    this.#child.kill('SIGTERM');
    try {
      const [code] = await within(this.#exited, 'the server ends after SIGTERM');
      assert.equal(code, 0, `the server should exit with 0, and logged:\n${this.#log()}`);
    } finally {
      this.#child.kill('SIGKILL');
    }
  }

  /** Returns a token of the host site. `claims` override the defaults; `exp` is in seconds. */
  token(claims, secret = this.#secret) {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const exp = Math.floor(Date.now() / 1000) + 3600;
    const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ role: 'reader', exp, ...claims })}`;
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  }

  /** Sends one operation over HTTP. Returns the status and the response's fields. */
  async send(query, variables, { token, clientId } = {}) {
    const headers = { 'Content-Type': 'application/json', Accept: 'application/json' };
    if (token) headers.Authorization = `Bearer ${token}`;
    if (clientId) headers['X-Client-Id'] = clientId;
    const body = JSON.stringify({ query, variables });
    const response = await fetch(`${this.url}/graphql`, { method: 'POST', headers, body });
    return { status: response.status, ...(await response.json()) };
  }

  /** Sends one operation over HTTP that must succeed, and returns its data. */
  async ask(query, variables, identity) {
    const { data, errors } = await this.send(query, variables, identity);
    assert.equal(errors, undefined, JSON.stringify(errors));
    return data;
  }

  /** Creates a post for one test, and returns its id. */
  async createPost(title = 'A post') {
    const id = `post-${randomUUID()}`;
    await this.ask(
      `mutation ($input: CreatePostInput!) { createPost(input: $input) { post { id } } }`,
      { input: { id, title } },
      { token: this.token({ sub: 'the-author', name: 'The author', role: 'author' }) },
    );
    return id;
  }

  async post(id) {
    const { post } = await this.ask(`query ($id: ID!) { post(id: $id) { commentCount viewerCount } }`, { id });
    return post;
  }

  /** Creates a comment, and returns its id. */
  async createComment(input, identity) {
    const data = await this.ask(
      `mutation ($input: CreateCommentInput!) { createComment(input: $input) { comment { id } } }`,
      { input },
      identity,
    );
    return data.createComment.comment.id;
  }

  async editComment(input, identity) {
    await this.ask(
      `mutation ($input: EditCommentInput!) { editComment(input: $input) { comment { id } } }`,
      { input },
      identity,
    );
  }

  async deleteComment(id, identity) {
    await this.ask(
      `mutation ($input: DeleteCommentInput!) { deleteComment(input: $input) { comment { id } } }`,
      { input: { id } },
      identity,
    );
  }

  /** Returns the texts of a post's top-level comments, newest first. */
  async comments(postId) {
    const { post } = await this.ask(
      `query ($id: ID!) { post(id: $id) { comments(first: 100, order: NEWEST_FIRST) { nodes { body } } } }`,
      { id: postId },
    );
    return post.comments.nodes.map(({ body }) => body);
  }

  /** Returns the id of the newest comment of a post that waits for a moderator. */
  async pendingComment(postId) {
    const { moderation } = await this.ask(
      `query ($postId: ID!) { moderation { comments(postId: $postId, status: PENDING, first: 1) { nodes { id } } } }`,
      { postId },
      this.moderator(),
    );
    return moderation.comments.nodes[0].id;
  }

  /** Publishes a comment, as a moderator. */
  async approve(id) {
    await this.#moderate('approveComment', id);
  }

  /** Rejects a comment, as a moderator. */
  async reject(id) {
    await this.#moderate('rejectComment', id);
  }

  /** Opens a post to new comments, or closes it. */
  async setOpen(id, isOpen) {
    const update = `mutation ($input: UpdatePostInput!) { updatePost(input: $input) { post { isOpen } } }`;
    await this.ask(update, { input: { id, isOpen } }, this.moderator());
  }

  async #moderate(mutation, id) {
    await this.ask(`mutation ($id: ID!) { ${mutation}(input: { id: $id }) { __typename } }`, { id }, this.moderator());
  }

  /** Returns the identity of a moderator, whose comments never wait. */
  moderator() {
    return { token: this.token({ sub: 'the-moderator', name: 'The moderator', role: 'moderator' }) };
  }

  async setTyping(postId, isTyping, identity) {
    await this.ask(
      `mutation ($input: SetTypingInput!) { setTyping(input: $input) { isTyping } }`,
      { input: { postId, isTyping } },
      identity,
    );
  }
}
