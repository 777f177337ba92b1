// Who is at this page: a client always, and a reader with a name once one has been chosen.

const KEY = 'causerie.session';

/**
 * Random, and so unique. Not randomUUID(): browsers have that on https and localhost only, and a blog's
 * author may well try this page from a phone on the same plain-http network.
 */
export const randomId = () =>
  [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('');

/** Names this page load to the server, which then does not send our own changes back to us. */
export const clientId = randomId();

/**
 * The token and its user. Kept in sessionStorage, which a reload keeps and another window does not
 * see: two windows side by side are two guests, as somebody who tries realtime comments wants.
 */
export class Session extends EventTarget {
  #signedIn = JSON.parse(sessionStorage.getItem(KEY));

  get token() {
    return this.#signedIn?.token;
  }

  get user() {
    return this.#signedIn?.user;
  }

  signIn({ token, user }) {
    this.#set({ token, user });
  }

  forget() {
    if (this.#signedIn) this.#set(null);
  }

  #set(signedIn) {
    this.#signedIn = signedIn;
    if (signedIn) sessionStorage.setItem(KEY, JSON.stringify(signedIn));
    else sessionStorage.removeItem(KEY);
    this.dispatchEvent(new Event('change'));
  }
}
