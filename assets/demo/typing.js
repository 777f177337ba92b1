// Both sides of "Ada is typing…": saying it of oneself, and reading it of the others.

import { h } from './dom.js';

/** The server forgets a typist after 6 seconds, so it must hear of one more often than that. */
const REPEAT_AFTER = 2_500;

/** Tells the server that we write, at most so often, and that we stopped, at once. */
export class TypingSignal {
  #send;
  #saidAt = -Infinity;
  #queue = Promise.resolve();

  /** @param send   takes a boolean and returns a promise */
  constructor(send) {
    this.#send = send;
  }

  wrote() {
    const now = performance.now();
    if (now - this.#saidAt < REPEAT_AFTER) return;
    this.#saidAt = now;
    this.#say(true);
  }

  rested() {
    if (this.#saidAt === -Infinity) return;
    this.#saidAt = -Infinity;
    this.#say(false);
  }

  /** One after the other: a "true" that overtakes its "false" would show a ghost for seconds. */
  #say(isTyping) {
    // A lost indicator is nobody's trouble: the next keystroke sends another, or the server forgets.
    this.#queue = this.#queue.then(() => this.#send(isTyping)).catch(() => {});
  }
}

/** The line's nodes and strings: names are isolated from the text around them. */
export function typingText(names) {
  const [one, two] = names.slice(0, 2).map((name) => h('bdi', {}, name));
  switch (names.length) {
    case 0:
      return [];
    case 1:
      return [one, ' is typing…'];
    case 2:
      return [one, ' and ', two, ' are typing…'];
    default:
      return [`${names.length} people are typing…`];
  }
}
