// The data of the reference: posts and their comments as plain objects, with the rules of the contract.

/** A refusal by a rule of the contract, raised by a resolver. */
export class Refusal extends Error {
  constructor(code) {
    super(code);
    this.extensions = { code };
  }
}

/**
 * Posts and comments. `posts` are newest first; `comments` of one parent are oldest first.
 *
 * `made` are the comments and posts that the server is known to have made while it answered the same request:
 * the model takes the ids, cursors and times that the server chose from them.
 */
export class World {
  #guests = 0;

  constructor(posts, made = []) {
    this.posts = structuredClone(posts);
    this.made = structuredClone(made);
  }

  clone() {
    return new World(this.posts, this.made);
  }

  post(id) {
    return this.posts.find((post) => post.id === id) ?? null;
  }

  comment(id) {
    return this.posts.flatMap((post) => post.comments).find((comment) => comment.id === id) ?? null;
  }

  /** Returns the comments that answer `parentId`; null for the top-level ones. */
  comments(postId, parentId) {
    return this.post(postId).comments.filter((comment) => comment.parentId === parentId);
  }

  /** Returns a guest with a token without a signature. */
  signInAsGuest({ name }) {
    const id = `guest:${(this.#guests += 1)}`;
    const claims = Buffer.from(JSON.stringify({ sub: id })).toString('base64url');
    return { token: `.${claims}.`, user: { id, name: line(name, 80), avatar: null } };
  }

  createPost({ id, title, url = null }) {
    if (this.post(id)) throw new Refusal('CONFLICT');
    if (url !== null && !/^https?:\/\//.test(url)) throw new Refusal('BAD_USER_INPUT');
    const { createdAt, cursor } = this.made.find((post) => post.id === id) ?? invented('post');
    const post = { id, title: line(title, 300), url: url && new URL(url).href, createdAt, cursor, comments: [] };
    this.posts.unshift(post);
    return post;
  }

  createComment({ postId, body, parentId = null }, author) {
    body = paragraphs(body, 10_000);
    const post = this.post(postId);
    if (!post) throw new Refusal('NOT_FOUND');
    if (parentId !== null && this.comment(parentId)?.postId !== postId) throw new Refusal('BAD_USER_INPUT');
    const count = this.comments(postId, parentId).length;
    const { id, createdAt, cursor } = this.#madeChildren(postId, parentId)[count] ?? invented('comment');
    const comment = {
      id,
      postId,
      parentId,
      author,
      body,
      createdAt,
      cursor,
      editedAt: null,
      isDeleted: false,
    };
    post.comments.push(comment);
    return comment;
  }

  editComment({ id, body }) {
    const comment = this.#existing(id);
    if (comment.isDeleted) throw new Refusal('CONFLICT');
    const { editedAt } = this.#madeComments().find((made) => made.id === id) ?? invented('edit');
    return Object.assign(comment, { body: paragraphs(body, 10_000), editedAt });
  }

  deleteComment({ id }) {
    return Object.assign(this.#existing(id), { body: '', isDeleted: true });
  }

  #existing(id) {
    const comment = this.comment(id);
    if (!comment) throw new Refusal('NOT_FOUND');
    return comment;
  }

  #madeComments() {
    return this.made.flatMap((post) => post.comments);
  }

  #madeChildren(postId, parentId) {
    return this.#madeComments().filter((made) => made.postId === postId && made.parentId === parentId);
  }
}

/** Returns placeholders for something that the server did not make. */
function invented(what) {
  const missing = `the server made no such ${what}`;
  return { id: missing, createdAt: missing, cursor: missing, editedAt: missing };
}

/** Returns a name or title: no control characters, single spaces, at least one visible character. */
function line(value, longest) {
  const text = value.replace(/\p{Bidi_Control}/gu, '').replace(/\p{Cc}/gu, ' ');
  return checked(text.replace(/\p{White_Space}+/gu, ' ').trim(), longest);
}

/** Returns a body without blank lines at its start. It keeps its first line's indentation, if it fits. */
function paragraphs(value, longest) {
  const text = value.replace(/\p{White_Space}+$/u, '').replace(/^\p{White_Space}*[\r\n]/u, '');
  const indentation = [...text].length > longest ? /^\p{White_Space}+/u : '';
  return checked(text.replace(indentation, ''), longest);
}

const INVISIBLE = /[\p{Cc}\p{Cf}\p{Z}\p{Default_Ignorable_Code_Point}\u2800\u{1d159}]/gu;

function checked(text, longest) {
  const isVisible = text.replace(INVISIBLE, '') !== '';
  if (!isVisible || [...text].length > longest || text.includes('\0')) throw new Refusal('BAD_USER_INPUT');
  return text;
}

/** Returns the page of a Relay connection. `cursorOf` is the cursor of an item in this list. */
export function page(items, { first, after }, cursorOf) {
  first ??= 20;
  if (first < 0 || first > 100) throw new Refusal('BAD_USER_INPUT');
  const isAfterCursor = after !== undefined && after !== null;
  const start = isAfterCursor ? items.findIndex((item) => cursorOf(item) === after) + 1 : 0;
  if (isAfterCursor && start === 0) throw new Refusal('BAD_USER_INPUT');
  const nodes = items.slice(start, start + first);
  const edges = nodes.map((node) => ({ node, cursor: cursorOf(node) }));
  const hasNextPage = items.length > start + first;
  return {
    edges,
    nodes,
    pageInfo: {
      hasPreviousPage: isAfterCursor,
      hasNextPage,
      startCursor: edges.at(0)?.cursor ?? null,
      // An empty page that has a next one continues where it began.
      endCursor: edges.at(-1)?.cursor ?? (hasNextPage && isAfterCursor ? after : null),
    },
  };
}
