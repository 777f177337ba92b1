// A list of comments, the top-level ones or one comment's replies: it is loaded a page at a time from
// one end, while the feed adds to it wherever a comment belongs.

import { explain } from './api.js';
import { button, h } from './dom.js';

export const oldestFirst = (a, b) => a.publishedAt < b.publishedAt;
export const newestFirst = (a, b) => a.publishedAt > b.publishedAt;

export class CommentList {
  element;
  #views = [];
  #comesBefore;
  #load;
  #viewOf;
  #endCursor = null;
  #items = h('ol');
  #more;
  #problem = h('p', { class: 'problem', role: 'alert', hidden: true });

  /**
   * @param order   `oldestFirst` or `newestFirst`
   * @param more    the words of the button that loads the next page
   * @param load    loads the page after a cursor, or the first where it is null
   * @param viewOf  makes or finds the view of a comment of that page
   */
  constructor({ order, more, load, viewOf }) {
    this.#comesBefore = order;
    this.#load = load;
    this.#viewOf = viewOf;
    this.#more = button(more, () => this.#loadMore(), { class: 'more', hidden: true });
    this.element = h('div', { class: 'comments' }, this.#items, this.#more, this.#problem);
  }

  /** That there are comments to load, though no page has been yet. */
  hasUnloaded() {
    this.#more.hidden = false;
  }

  addPage({ nodes, pageInfo }) {
    for (const comment of nodes) this.add(this.#viewOf(comment));
    this.#endCursor = pageInfo.endCursor;
    this.#more.hidden = !pageInfo.hasNextPage;
  }

  add(view) {
    if (this.#views.includes(view)) return;
    const found = this.#views.findIndex((other) => this.#comesBefore(view.comment, other.comment));
    const place = found < 0 ? this.#views.length : found;
    this.#items.insertBefore(view.element, this.#views[place]?.element ?? null);
    this.#views.splice(place, 0, view);
  }

  /** Removes a view; without one it is a no-op. */
  remove(view) {
    if (!this.#views.includes(view)) return;
    this.#views.splice(this.#views.indexOf(view), 1);
    view.element.remove();
  }

  /** Whether a comment would stand among the loaded ones; otherwise it comes with a later page. */
  reachesTo(comment) {
    const loaded = this.#views.filter((view) => !view.comment.status);
    return this.#more.hidden || loaded.some((view) => this.#comesBefore(comment, view.comment));
  }

  async #loadMore() {
    this.#more.disabled = true;
    this.#problem.hidden = true;
    const last = this.#views.at(-1);
    try {
      this.addPage(await this.#load(this.#endCursor));
      // The button may have gone from under a keyboard: go on where the new comments begin.
      const next = this.#views[this.#views.indexOf(last) + 1];
      if (this.#more.hidden) next?.element.focus();
    } catch (error) {
      this.#problem.textContent = explain(error);
      this.#problem.hidden = false;
    } finally {
      this.#more.disabled = false;
    }
  }
}
