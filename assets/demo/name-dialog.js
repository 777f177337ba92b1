// The prompt that makes a reader somebody.

import { explain } from './api.js';

/** Returns a function that resolves once somebody is signed in, asking for a name where nobody is. */
export function nameDialog(session, api) {
  const dialog = document.getElementById('name-dialog');
  const form = dialog.querySelector('form');
  const { name, enter } = form.elements;
  const problem = form.querySelector('.problem');

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    problem.hidden = true;
    enter.disabled = true;
    try {
      session.signIn(await api.signInAsGuest(name.value));
      dialog.close();
    } catch (error) {
      problem.textContent = explain(error);
      problem.hidden = false;
    } finally {
      enter.disabled = false;
    }
  });
  form.querySelector('[data-cancel]').addEventListener('click', () => dialog.close());

  return function signedIn() {
    if (session.user) return Promise.resolve();
    problem.hidden = true;
    dialog.showModal();
    name.select();
    return new Promise((resolve, reject) => {
      const settle = () =>
        session.user ? resolve() : reject(new DOMException('No name was given.', 'AbortError'));
      dialog.addEventListener('close', settle, { once: true });
    });
  };
}
