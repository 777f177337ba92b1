// One comment: its text, what its reader may do with it, and the replies beneath it.

import { explain } from './api.js';
import { CommentList, oldestFirst } from './comment-list.js';
import { Composer } from './composer.js';
import { avatar, badge, button, h, nameOf, time } from './dom.js';

/** What an author is told about a comment that others do not see. */
const MARKS = { PENDING: 'Waits for a moderator', REJECTED: 'Rejected' };

export class CommentView {
  element;
  comment;
  replies;
  #page;
  #heading = h('header');
  #body = h('p', { class: 'body', dir: 'auto', 'data-testid': 'body' });
  #actions = h('div', { class: 'row actions' });
  /** Where a composer opens, or the question whether to delete. */
  #desk = h('div');
  #isReplying = false;

  /** @param page   the PostPage: what it can do, a comment's buttons set off */
  constructor(comment, page) {
    this.#page = page;
    this.replies = new CommentList({
      order: oldestFirst,
      more: 'Show more replies',
      load: (after) => page.loadReplies(comment.id, after),
      viewOf: (reply) => page.viewOf(reply),
    });
    this.element = h(
      'li',
      { class: 'comment', 'data-testid': 'comment', 'data-id': comment.id, tabindex: -1 },
      h('article', {}, this.#heading, this.#body, this.#actions, this.#desk),
      this.replies.element,
    );
    this.update(comment);
  }

  update(comment) {
    this.comment = comment;
    const { author, createdAt, editedAt, isDeleted, parentId, status } = comment;
    const answered = parentId && this.#page.authorOf(parentId);
    this.element.classList.toggle('deleted', isDeleted);
    this.element.classList.toggle('unpublished', !!status);
    const heading = h(
      'header',
      {},
      avatar(author),
      nameOf(author),
      badge(author),
      answered && h('span', { class: 'answered' }, 'to ', h('bdi', {}, answered.name)),
      time(createdAt),
      editedAt && !isDeleted && h('span', { class: 'edited' }, 'edited'),
      status && h('span', { class: 'mark', 'data-testid': 'mark' }, MARKS[status]),
    );
    this.#heading.replaceWith(heading);
    this.#heading = heading;
    this.#body.textContent = isDeleted ? 'This comment was deleted.' : comment.body;
    // An edit has lost its object, and so has the question; a reply that is being written has not.
    if (isDeleted && !this.#isReplying) this.#clearDesk();
    this.updateActions();
  }

  /** Apart from `update`, because it depends on who reads as well. */
  updateActions() {
    const { author, isDeleted, status } = this.comment;
    const isOwn = author.id === this.#page.user?.id;
    const actions = [];
    if (!isDeleted && !status && this.#page.isOpen) actions.push(button('Reply', () => this.#reply()));
    if (!isDeleted && isOwn) {
      actions.push(
        button('Edit', () => this.#edit()),
        button('Delete', () => this.#askToDelete()),
      );
    }
    this.#actions.replaceChildren(...actions);
  }

  /** Shows that this one has just come. */
  highlight() {
    this.element.classList.add('fresh');
    this.element.addEventListener('animationend', () => this.element.classList.remove('fresh'), {
      once: true,
    });
  }

  async #reply() {
    try {
      await this.#page.signedIn();
    } catch {
      return; // The name prompt was closed.
    }
    this.#openComposer({
      label: `Reply to ${this.comment.author.name}`,
      action: 'Reply',
      submit: (text) => this.#page.create(text, this.comment.id),
    });
    this.#isReplying = true;
  }

  #edit() {
    this.#openComposer({
      label: 'Edit your comment',
      action: 'Save',
      text: this.comment.body,
      submit: async (text) => {
        await this.#page.edit(this.comment.id, text);
        this.element.focus();
      },
    });
    this.element.classList.add('editing');
  }

  #openComposer({ submit, ...rest }) {
    this.#clearDesk();
    const composer = new Composer({
      ...rest,
      typing: this.#page.typing,
      submit: async (text) => {
        await submit(text);
        this.#clearDesk();
      },
      cancel: () => {
        this.#clearDesk();
        this.#actions.firstElementChild?.focus();
      },
    });
    this.#desk.replaceChildren(composer.element);
    composer.focus();
  }

  #askToDelete() {
    this.#clearDesk();
    const problem = h('p', { class: 'problem', role: 'alert', hidden: true });
    const remove = async () => {
      yes.disabled = true;
      try {
        await this.#page.delete(this.comment.id);
        this.#clearDesk();
        this.element.focus();
      } catch (error) {
        problem.textContent = explain(error);
        problem.hidden = error.name === 'AbortError';
        yes.disabled = false;
      }
    };
    const keep = () => {
      this.#clearDesk();
      this.#actions.lastElementChild?.focus();
    };
    const question = 'Delete this comment?';
    const yes = button('Delete', remove, { class: 'primary' });
    const no = button('Keep', keep);
    this.#desk.replaceChildren(
      h('div', { class: 'row', role: 'group', 'aria-label': question }, question, yes, no),
      problem,
    );
    no.focus();
  }

  #clearDesk() {
    this.#isReplying = false;
    this.element.classList.remove('editing');
    this.#desk.replaceChildren();
  }
}
