// The data that cases are about: what is only read, and a fresh post for each case that may write.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';

import { startServer } from '../support/server.mjs';
import { COMMENT, loadAllPosts, loadPosts, POST } from './model/load.mjs';
import { World } from './model/world.mjs';
import { Http } from './transports/http.mjs';
import { Socket } from './transports/socket.mjs';

const ADA = { id: 'ada', name: 'Ada', avatar: null, role: 'AUTHOR', isGuest: false };
const BOB = { ...ADA, id: 'bob', name: 'Bob', avatar: 'https://example.org/bob.png' };
/** The author of comments that wake subscriptions. They do not count as stored by a case. */
const CLEO = { ...ADA, id: 'cleo', name: 'Cleo', role: 'READER' };

/** Two servers, so that the lists that are read stay as they are while other cases write. */
export class Fixtures {
  static async start() {
    const servers = await Promise.all([startServer(), startServer()]);
    const fixtures = new Fixtures(servers);
    try {
      fixtures.#reading = await ReadPlace.seed(servers[0]);
      return fixtures;
    } catch (error) {
      await fixtures.stop();
      throw error;
    }
  }

  #servers;
  #transports;
  #reading;

  constructor(servers) {
    this.#servers = servers;
    this.#transports = new Map(servers.map((server) => [server, transportsTo(server)]));
  }

  /** Returns one function for each transport, which prepares a case: where it happens, and over what. */
  ways() {
    return [0, 1].map((index) => async (isWriting) => {
      const place = isWriting ? await WritePlace.create(this.#servers[1]) : this.#reading;
      return { place, transport: this.#transports.get(place.server)[index] };
    });
  }

  async stop() {
    for (const transport of [...this.#transports.values()].flat()) await transport.close();
    for (const server of this.#servers) await server.stop();
  }
}

function transportsTo(server) {
  const token = tokenOf(server, ADA);
  return [new Http(server, token), new Socket(server, token)];
}

function tokenOf(server, { id, name, avatar, role }) {
  return server.token({ sub: id, name, picture: avatar ?? undefined, role: role.toLowerCase() });
}

/** Returns the context of the reference's resolvers. */
function contextOf(posts, made) {
  return { world: new World(posts, made), user: ADA, typist: BOB };
}

/** Posts that cases only read. */
class ReadPlace {
  static async seed(server) {
    const [ada, bob] = [ADA, BOB].map((user) => ({ token: tokenOf(server, user) }));
    await createPost(server, { id: 'long', title: 'A long discussion' }, ada);
    await createPost(server, { id: 'quiet', title: 'Nothing yet' }, ada);
    await createPost(server, { id: 'main', title: 'The main post', url: 'https://example.org/main' }, ada);
    for (let number = 1; number <= 23; number += 1) {
      await server.createComment({ postId: 'long', body: `Comment ${number}` }, number % 2 ? ada : bob);
    }
    const comment = (body, by, parentId) => server.createComment({ postId: 'main', body, parentId }, by);
    const first = await comment('The first', ada);
    const second = await comment('The second', bob);
    const third = await comment('To be deleted', ada);
    const reply = await comment('A reply', bob, first);
    await comment('Another reply, with 🦀 and "quotes"', ada, first);
    await comment('A reply to a reply', ada, reply);
    await comment('A reply to a tombstone', bob, third);
    await server.editComment({ id: second, body: 'The second, edited' }, bob);
    await server.deleteComment(third, ada);
    await comment('The last', bob);
    return new ReadPlace(server, await loadAllPosts(server));
  }

  constructor(server, posts) {
    this.server = server;
    this.posts = posts;
    const { cursor, comments } = posts.find(({ id }) => id === 'main');
    assert.equal(comments.length, 8, 'all comments of the main post are read back');
    const [first, second] = comments;
    this.names = {
      POST: 'main',
      COMMENT: first.id,
      CURSOR: second.cursor,
      FEED: cursor,
      PAGE: posts[1].listCursor,
    };
  }

  /** Does nothing, because these posts do not change. */
  async stimulate() {}

  async conclude() {
    return { context: contextOf(this.posts, []), stored: () => [] };
  }
}

const FRESH = `mutation ($post: CreatePostInput!, $comment: CreateCommentInput!) {
  createPost(input: $post) { post { ${POST} } }
  createComment(input: $comment) { comment { ${COMMENT} } }
}`;

/** A post of one case's own, with one comment of the user who asks. */
class WritePlace {
  static async create(server) {
    const postId = `post-${randomUUID()}`;
    const variables = {
      post: { id: postId, title: 'A fresh post' },
      comment: { postId, body: 'There before' },
    };
    const { createPost, createComment } = await server.ask(FRESH, variables, {
      token: tokenOf(server, ADA),
    });
    const { post } = createPost;
    const { comment } = createComment;
    return new WritePlace(server, {
      ...post,
      startCursor: post.cursor,
      cursor: comment.cursor,
      comments: [comment],
    });
  }

  constructor(server, post) {
    this.server = server;
    this.post = post;
    this.names = {
      POST: post.id,
      COMMENT: post.comments[0].id,
      CURSOR: post.startCursor,
      FEED: post.cursor,
      NEW: `new-${randomUUID()}`,
    };
  }

  /** Writes to the post as soon as it has a subscriber, unless `answered` settles before. */
  async stimulate(answered) {
    let isAnswered = false;
    answered.finally(() => (isAnswered = true));
    while (!isAnswered && (await this.server.post(this.post.id)).viewerCount === 0);
    if (isAnswered) return;
    await this.server.setTyping(this.post.id, true, { token: tokenOf(this.server, BOB) });
    const input = { postId: this.post.id, body: 'Written meanwhile' };
    await this.server.createComment(input, { token: tokenOf(this.server, CLEO) });
  }

  /**
   * Reads back what the server made. Returns the reference's context; and `stored`, which shows what is stored,
   * on the server and then in the reference's world.
   */
  async conclude() {
    const made = await loadPosts(this.server, this.post.id, this.names.NEW);
    const byCleo = made[0].comments.filter(isByCleo);
    const post = { ...this.post, comments: [...this.post.comments, ...byCleo] };
    const context = contextOf([post], made);
    return { context, stored: () => [made, [...context.world.posts].reverse()].map(outline) };
  }
}

const isByCleo = ({ author }) => author.id === CLEO.id;

/** Returns what is stored, without what the server chose. A tombstone without replies need not be listed. */
function outline(posts) {
  return posts.map(({ title, url, comments }) => {
    const answersTo = (parent) =>
      comments
        .filter((comment) => comment.parentId === parent && !isByCleo(comment))
        .map(({ id, body, isDeleted }) => ({ body, isDeleted, replies: answersTo(id) }))
        .filter(({ isDeleted, replies }) => !isDeleted || replies.length > 0);
    return { title, url, comments: answersTo(null) };
  });
}

async function createPost(server, input, identity) {
  const mutation = `mutation ($input: CreatePostInput!) { createPost(input: $input) { post { id } } }`;
  await server.ask(mutation, { input }, identity);
}
