// A post and what is said under it, live: this page is in the post's room while it is open.

import { COMMENT_CHANGED, POST_CHANGED, TYPING, VIEWER_COUNT, explain } from './api.js';
import { CommentList, newestFirst } from './comment-list.js';
import { CommentView } from './comment-view.js';
import { Composer } from './composer.js';
import { button, h, plural, time } from './dom.js';
import { Thread } from './thread.js';
import { TypingSignal, typingText } from './typing.js';

const CONNECTION = {
  connecting: 'Connecting…',
  live: 'Live',
  reconnecting: 'Reconnecting…',
  closed: 'Disconnected',
};

export async function openPost(id, context) {
  const post = await context.api.post(id);
  return post && new PostPage(post, context);
}

class PostPage {
  element;
  title;
  typing;
  #context;
  #post;
  #thread;
  #views = new Map();
  #list;
  #composer;
  #typists = new Map();
  #closing = new AbortController();

  #title;
  #heading = h('h2', { id: 'comments', tabindex: -1, 'data-testid': 'comment-count' });
  #desk = h('div');
  #invitation = button('Write a comment…', () => this.#acceptInvitation(), { class: 'invitation' });
  #reading = h('p', { class: 'reading', 'data-testid': 'reading' });
  #typingLine = h('p', { class: 'typing', 'data-testid': 'typing', 'aria-live': 'polite' });
  #connection = h('p', { class: 'connection', 'data-testid': 'connection', role: 'status' });
  #room = h('div', { class: 'room' }, this.#reading, this.#typingLine, this.#connection);
  #closed = h('p', { class: 'hint' }, 'Comments are closed.');
  #empty = h('p', { class: 'hint' }, 'Nobody has said anything yet.');
  #problem = h('p', { class: 'problem', role: 'alert', hidden: true });

  constructor(post, context) {
    this.#post = post;
    this.#context = context;
    this.#thread = new Thread(post.commentCount);
    this.title = post.title;
    this.#title = h('h1', { tabindex: -1, dir: 'auto' }, post.title);
    this.typing = new TypingSignal(async (isTyping) => {
      if (this.user) await context.api.setTyping(post.id, isTyping);
    });

    this.#composer = new Composer({
      label: 'Write a comment…',
      action: 'Comment',
      typing: this.typing,
      submit: (text) => this.create(text),
    });

    this.#list = new CommentList({
      order: newestFirst,
      more: 'Load more comments',
      load: (after) => context.api.comments(post.id, after),
      viewOf: (comment) => this.viewOf(comment),
    });
    this.#list.addPage(post.comments);

    this.element = h(
      'div',
      {},
      h(
        'header',
        { class: 'post' },
        h('a', { href: '#/', class: 'back' }, 'All posts'),
        this.#title,
        h('p', { class: 'meta' }, time(post.createdAt), articleLink(post.url)),
      ),
      this.#room,
      h(
        'section',
        { 'aria-labelledby': 'comments' },
        this.#heading,
        this.#desk,
        this.#problem,
        this.#empty,
        this.#list.element,
      ),
    );

    this.#showCount();
    this.#showDesk();
    this.showConnection(context.socket.state);
    context.session.addEventListener('change', () => this.#readerChanged(), { signal: this.#closing.signal });
    this.#enterRoom();
  }

  /** Leaves the room. */
  close() {
    this.typing.rested();
    this.#closing.abort();
  }

  showConnection(state) {
    this.#room.dataset.state = state;
    this.#connection.textContent = CONNECTION[state];
    if (state === 'live') this.#readUnreplayed();
  }

  // What a comment asks of its page.

  get user() {
    return this.#context.session.user;
  }

  /** Whether this reader may write here. */
  get isOpen() {
    return this.#post.isOpen || this.user?.role === 'MODERATOR';
  }

  signedIn() {
    return this.#context.signedIn();
  }

  authorOf(id) {
    return this.#views.get(id)?.comment.author;
  }

  loadReplies(id, after) {
    return this.#context.api.replies(id, after);
  }

  async create(text, parentId = null) {
    const answer = await this.#asReader(() =>
      this.#context.api.createComment(this.#post.id, parentId, text),
    );
    this.#answered(answer);
    this.#views.get(answer.comment.id)?.element.focus();
  }

  async edit(id, text) {
    this.#answered(await this.#asReader(() => this.#context.api.editComment(id, text)));
  }

  async delete(id) {
    const answer = await this.#asReader(() => this.#context.api.deleteComment(id));
    this.#answered(answer);
    if (!answer.comment.isListed) this.#heading.focus();
  }

  /** The view of a comment that came with a page, its replies taken in. */
  viewOf(comment) {
    this.#thread.meet(comment);
    const latest = this.#thread.get(comment.id);
    const view = this.#views.get(comment.id) ?? this.#newView(latest);
    view.update(latest);
    if (comment.replies) view.replies.addPage(comment.replies);
    else if (comment.replyCount > 0) view.replies.hasUnloaded();
    return view;
  }

  #newView(comment) {
    const view = new CommentView(comment, this);
    this.#views.set(comment.id, view);
    for (const id of this.#thread.unpublished(comment.id)) this.#show(id);
    return view;
  }

  /** Does what needs a name. One that has expired shows only now, so it may be asked for once more. */
  async #asReader(action) {
    await this.signedIn();
    try {
      return await action();
    } catch (error) {
      if (error.code !== 'UNAUTHENTICATED') throw error;
      await this.signedIn();
      return action();
    }
  }

  #enterRoom() {
    const { socket, reload } = this.#context;
    const postId = this.#post.id;
    let after = this.#post.cursor;
    const join = (request, next, error = (errors) => this.#showProblem(errors[0])) => {
      const leave = socket.subscribe(request, { next, error });
      this.#closing.signal.addEventListener('abort', leave);
    };

    join(
      () => ({ query: COMMENT_CHANGED, variables: { postId, after } }),
      ({ commentChanged: { kind, comment, cursor } }) => {
        after = cursor;
        this.#receive(kind, comment);
      },
      // A cursor that the server no longer understands: what was missed is in a fresh page.
      ([error]) =>
        ['CURSOR_EXPIRED', 'BAD_USER_INPUT'].includes(error.extensions?.code) ? reload() : this.#showProblem(error),
    );
    join(
      () => ({ query: POST_CHANGED, variables: { postId } }),
      ({ postChanged }) => this.#showDetails(postChanged),
    );
    join(
      () => ({ query: VIEWER_COUNT, variables: { postId } }),
      ({ viewerCount }) => {
        this.#reading.textContent = `${viewerCount.toLocaleString('en')} reading`;
      },
    );
    join(
      () => {
        // A new stream says first who is typing already; whom the last one named may have stopped since.
        this.#typists.clear();
        this.#showTyping();
        return { query: TYPING, variables: { postId } };
      },
      ({ typing: { user, isTyping } }) => {
        if (isTyping) this.#typists.set(user.id, user.name);
        else this.#typists.delete(user.id);
        this.#showTyping();
      },
    );
  }

  #receive(kind, comment) {
    const known = this.#thread.get(comment.id);
    const isNews = !this.#views.has(comment.id) && !comment.isDeleted;
    this.#thread.change(comment);
    this.#show(comment.id, kind === 'ADDED');
    // A tombstone names nobody. If it was held or rejected, its author still sees it.
    if (comment.isDeleted && known && known.author.id === this.user?.id) this.#readUnpublished();
    if (kind === 'ADDED' && isNews) {
      this.#views.get(comment.id)?.highlight();
      this.#context.announce(`New comment by ${comment.author.name}`);
    }
  }

  #answered(answer) {
    this.#thread.answer(answer);
    this.#show(answer.comment.id, true);
  }

  /** Shows the latest state of a comment. Showing the same state twice does no harm. */
  #show(id, isNew = false) {
    const view = this.#views.get(id);
    const comment = this.#thread.get(id);
    const { parentId } = comment ?? view?.comment ?? {};
    // A reply to a comment that is not loaded comes along when that one is.
    const list = parentId ? this.#views.get(parentId)?.replies : this.#list;
    if (!comment?.isListed) {
      list?.remove(view);
      this.#views.delete(id);
    } else if (view) {
      const isMoved = view.comment.publishedAt !== comment.publishedAt;
      view.update(comment);
      if (isMoved) {
        list?.remove(view);
        list?.add(view);
      }
    } else if (list && (isNew || comment.status || list.reachesTo(comment))) {
      list.add(this.#newView(comment));
    }
    this.#showCount();
  }

  /** Reads what the feed does not replay. It is read again after the next reconnection, so a failure is none. */
  async #readUnreplayed() {
    this.#readUnpublished();
    const details = await this.#context.api.details(this.#post.id).catch(() => null);
    if (details) this.#showDetails(details);
  }

  async #readUnpublished() {
    const author = this.user;
    const read = author ? await this.#context.api.unpublished(this.#post.id).catch(() => null) : [];
    if (!read || author?.id !== this.user?.id) return;
    const before = this.#thread.unpublished();
    this.#thread.setUnpublished(read.map((comment) => ({ ...comment, author })));
    for (const id of new Set([...before, ...this.#thread.unpublished()])) this.#show(id);
  }

  #showDetails({ title, isOpen }) {
    this.#title.textContent = title;
    if (this.#post.isOpen === isOpen) return;
    this.#post.isOpen = isOpen;
    for (const view of this.#views.values()) view.updateActions();
    this.#showDesk();
  }

  #showCount() {
    const { count } = this.#thread;
    this.#heading.textContent = count ? plural(count, 'comment') : 'Comments';
    this.#empty.hidden = this.#views.size > 0;
  }

  #showTyping() {
    this.#typingLine.replaceChildren(...typingText([...this.#typists.values()]));
  }

  #showProblem(error) {
    this.#problem.textContent = explain(error);
    this.#problem.hidden = false;
  }

  #readerChanged() {
    if (!this.user) this.#readUnpublished();
    for (const view of this.#views.values()) view.updateActions();
    this.#showDesk();
  }

  /** The composer for who has a name, and for who has none the way to one. A text once begun stays. */
  #showDesk() {
    const mayBegin = this.user || !this.#composer.isEmpty;
    const shown = !this.isOpen ? this.#closed : mayBegin ? this.#composer.element : this.#invitation;
    // Putting an element where it is already would take the focus from it.
    if (this.#desk.firstChild !== shown) this.#desk.replaceChildren(shown);
  }

  async #acceptInvitation() {
    try {
      await this.signedIn();
      this.#composer.focus();
    } catch {
      // The name prompt was closed.
    }
  }
}

function articleLink(url) {
  return /^https?:/.test(url) ? h('a', { href: url }, 'Read the post') : null;
}
