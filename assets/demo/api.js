// Everything that the page asks of the server: the operations, and how they are sent.

import { clientId, randomId } from './session.js';

const COMMENT = `
  fragment Text on Comment {
    id parentId body createdAt publishedAt editedAt isDeleted isListed replyCount
    author { id name avatar role isGuest }
  }`;

// What a change brings: the counts that it may have changed come with it.
const COUNTED = `
  fragment Counted on Comment { ...Text post { commentCount } }
  ${COMMENT}`;

const PAGE = 'pageInfo { hasNextPage endCursor }';

// Two levels of replies come with a comment, few of each: a page of comments should cost about as
// much as it shows. Whoever wants more asks for it, a comment at a time.
const THREAD = `
  fragment Thread on Comment {
    ...Text
    replies(first: 5) {
      nodes { ...Text replies(first: 3) { nodes { ...Text } ${PAGE} } }
      ${PAGE}
    }
  }
  ${COMMENT}`;

const POSTS = `
  query Posts($after: String) {
    posts(first: 20, after: $after) {
      nodes { id title createdAt commentCount viewerCount }
      ${PAGE}
    }
  }`;

// The cursor and the comments come from one query: what happens after it, the feed will tell.
const POST = `
  query Post($id: ID!) {
    post(id: $id) {
      id title url createdAt commentCount cursor isOpen
      comments(first: 10, order: NEWEST_FIRST) { nodes { ...Thread } ${PAGE} }
    }
  }
  ${THREAD}`;

const COMMENTS = `
  query Comments($postId: ID!, $after: String) {
    post(id: $postId) {
      comments(first: 10, after: $after, order: NEWEST_FIRST) { nodes { ...Thread } ${PAGE} }
    }
  }
  ${THREAD}`;

const REPLIES = `
  query Replies($id: ID!, $after: String) {
    comment(id: $id) {
      replies(first: 10, after: $after) { nodes { ...Thread } ${PAGE} }
    }
  }
  ${THREAD}`;

const DETAILS = `
  query Details($id: ID!) {
    post(id: $id) { title isOpen }
  }`;

const UNPUBLISHED = `
  query Unpublished($postId: ID!) {
    viewer {
      unpublishedComments(postId: $postId, first: 100) { nodes { id parentId body createdAt editedAt status } }
    }
  }`;

const SIGN_IN = `
  mutation SignIn($input: SignInAsGuestInput!) {
    signInAsGuest(input: $input) { token user { id name avatar role isGuest } }
  }`;

const CREATE = `
  mutation Create($input: CreateCommentInput!) {
    createComment(input: $input) { status comment { ...Counted } }
  }
  ${COUNTED}`;

const EDIT = `
  mutation Edit($input: EditCommentInput!) {
    editComment(input: $input) { status comment { ...Counted } }
  }
  ${COUNTED}`;

const DELETE = `
  mutation Delete($input: DeleteCommentInput!) {
    deleteComment(input: $input) { comment { ...Counted } }
  }
  ${COUNTED}`;

const SET_TYPING = `
  mutation SetTyping($input: SetTypingInput!) {
    setTyping(input: $input) { isTyping }
  }`;

export const COMMENT_CHANGED = `
  subscription CommentChanged($postId: ID!, $after: Cursor) {
    commentChanged(postId: $postId, after: $after) { kind cursor comment { ...Counted } }
  }
  ${COUNTED}`;

export const POST_CHANGED = `
  subscription PostChanged($postId: ID!) {
    postChanged(postId: $postId) { title isOpen }
  }`;

export const VIEWER_COUNT = `
  subscription ViewerCount($postId: ID!) {
    viewerCount(postId: $postId)
  }`;

export const TYPING = `
  subscription Typing($postId: ID!) {
    typing(postId: $postId) { isTyping user { id name } }
  }`;

/** Why an operation failed: `code` is the server's `extensions.code`, or NETWORK. */
class ApiError extends Error {
  constructor(message, { code, retryAfterMs } = {}) {
    super(message);
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The failures after which nobody knows whether a comment is there, or which end by themselves. */
const UNANSWERED = ['NETWORK', 'OUTCOME_UNKNOWN', 'SERVICE_UNAVAILABLE', 'OPERATION_TIMEOUT', 'SERVICE_RESTART'];
const RETRIES = 2;

const same = (a, b) => a.postId === b.postId && a.parentId === b.parentId && a.body === b.body;

/** The sentence to show. The server's messages are written for people, so most pass as they are. */
export function explain(error) {
  switch (error.code) {
    case 'NETWORK':
      return 'The server cannot be reached just now.';
    case 'RATE_LIMITED':
      return `That was a little too fast. Try again in ${Math.max(1, Math.ceil(error.retryAfterMs / 1000))} s.`;
    default:
      return error.message;
  }
}

export class Api {
  #session;
  /** The comment that was sent last and not answered yet. */
  #unanswered = null;

  constructor(session) {
    this.#session = session;
  }

  async posts(after) {
    return (await this.#read(POSTS, { after })).posts;
  }

  async post(id) {
    return (await this.#read(POST, { id })).post;
  }

  async comments(postId, after) {
    return (await this.#read(COMMENTS, { postId, after })).post.comments;
  }

  async replies(commentId, after) {
    return (await this.#read(REPLIES, { id: commentId, after })).comment.replies;
  }

  async details(id) {
    return (await this.#read(DETAILS, { id })).post;
  }

  /** The reader's own comments that others do not see. */
  async unpublished(postId) {
    const { viewer } = await this.#read(UNPUBLISHED, { postId });
    return viewer?.unpublishedComments.nodes ?? [];
  }

  async signInAsGuest(name) {
    return (await this.#send(SIGN_IN, { input: { name } })).signInAsGuest;
  }

  /** Sends a comment until there is an answer. With its key it is there once, however often it is sent. */
  async createComment(postId, parentId, body) {
    const comment = { postId, parentId, body };
    const isSame = this.#unanswered && same(this.#unanswered, comment);
    const idempotencyKey = isSame ? this.#unanswered.idempotencyKey : randomId();
    const input = { ...comment, idempotencyKey };
    this.#unanswered = input;
    for (let attempt = 0; ; attempt++) {
      try {
        const { createComment } = await this.#send(CREATE, { input });
        if (this.#unanswered === input) this.#unanswered = null;
        return createComment;
      } catch (error) {
        if (!UNANSWERED.includes(error.code) || attempt === RETRIES) throw error;
        await new Promise((resume) => setTimeout(resume, 2 ** attempt * 500));
      }
    }
  }

  async editComment(id, body) {
    return (await this.#send(EDIT, { input: { id, body } })).editComment;
  }

  async deleteComment(id) {
    return (await this.#send(DELETE, { input: { id } })).deleteComment;
  }

  async setTyping(postId, isTyping) {
    await this.#send(SET_TYPING, { input: { postId, isTyping } });
  }

  /** Reading needs no name, so where a token is refused the same question is asked without it. */
  async #read(query, variables) {
    const { token } = this.#session;
    try {
      return await this.#send(query, variables);
    } catch (error) {
      if (error.code !== 'UNAUTHENTICATED' || !token) throw error;
      return this.#send(query, variables);
    }
  }

  async #send(query, variables) {
    const { token } = this.#session;
    const headers = { 'Content-Type': 'application/json', 'X-Client-Id': clientId };
    if (token) headers.Authorization = `Bearer ${token}`;

    let response, result;
    try {
      response = await fetch('graphql', {
        method: 'POST',
        headers,
        body: JSON.stringify({ query, variables }),
      });
      result = await response.json();
    } catch {
      // No answer, or one that is no JSON: a proxy's error page, in place of a server that is away.
      throw new ApiError(`no answer (status ${response?.status})`, { code: 'NETWORK' });
    }
    if (!result.errors) return result.data;

    const [{ message, extensions }] = result.errors;
    const error = new ApiError(message, extensions);
    // A token that was refused once will be refused always; unless another has taken its place.
    if (error.code === 'UNAUTHENTICATED' && token === this.#session.token) this.#session.forget();
    throw error;
  }
}
