// Where text is written: a new comment, a reply, or a comment's new wording.

import { explain } from './api.js';
import { button, h } from './dom.js';

const LONGEST = 10_000;

export class Composer {
  element;
  #field;
  #problem = h('p', { class: 'problem', role: 'alert', hidden: true });
  #send;
  #typing;
  #submit;

  /**
   * @param label    of the text field
   * @param action   the words of the button that submits
   * @param text     what stands in the field at first
   * @param typing   told when the writer writes and rests
   * @param submit   takes the text; until it has succeeded, the text stays in the field
   * @param cancel   called when the writer gives up; without it there is no such button
   */
  constructor({ label, action, text = '', typing, submit, cancel }) {
    this.#typing = typing;
    this.#submit = submit;
    this.#field = h('textarea', {
      dir: 'auto',
      rows: 3,
      maxlength: LONGEST,
      placeholder: label,
      'aria-label': label,
      oninput: () => (this.isEmpty ? typing.rested() : typing.wrote()),
      onblur: () => typing.rested(),
      onkeydown: (event) => {
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) this.element.requestSubmit();
      },
    });
    this.#field.value = text;
    this.#send = h('button', { class: 'primary' }, action);
    this.element = h(
      'form',
      { class: 'composer', 'data-testid': 'composer', onsubmit: (event) => this.#onSubmit(event) },
      this.#field,
      this.#problem,
      h('div', { class: 'row' }, this.#send, cancel && button('Cancel', cancel)),
    );
  }

  get isEmpty() {
    return !this.#field.value.trim();
  }

  focus() {
    this.#field.focus();
  }

  async #onSubmit(event) {
    event.preventDefault();
    if (this.isEmpty) return this.focus();
    if (this.#send.disabled) return;
    this.#send.disabled = true;
    this.#problem.hidden = true;
    this.#typing.rested();
    try {
      await this.#submit(this.#field.value);
      this.#field.value = '';
    } catch (error) {
      // Whoever closes the name prompt knows why nothing was sent; every other failure is told.
      if (error.name !== 'AbortError') {
        this.#problem.textContent = explain(error);
        this.#problem.hidden = false;
      }
    } finally {
      this.#send.disabled = false;
    }
  }
}
