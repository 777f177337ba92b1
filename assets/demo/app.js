// Starts the page: who is reading, the one socket, and which post the address names.

import { Api, explain } from './api.js';
import { avatar, button, h, nameOf } from './dom.js';
import { GraphQLSocket } from './graphql-ws.js';
import { nameDialog } from './name-dialog.js';
import { openPost } from './post-page.js';
import { openPosts } from './posts-page.js';
import { Session, clientId } from './session.js';

const main = document.querySelector('main');
const announcer = document.getElementById('announcer');

const session = new Session();
const api = new Api(session);
const signedIn = nameDialog(session, api);
const socket = new GraphQLSocket({
  url: new URL('graphql', location.href.replace(/^http/, 'ws')),
  connectionParams: () => ({ clientId, authorization: session.token }),
  onState: (state) => page.showConnection?.(state),
  onRefused: () => session.forget(),
});

const context = {
  session,
  api,
  socket,
  signedIn,
  reload: showAddressed,
  announce: (text) => (announcer.textContent = text),
};

let page = { close() {} };
let turn = 0;

/** Opens the page that the address names: `#/post/<id>`, or else the list of posts. */
async function showAddressed() {
  const mine = ++turn;
  const [, id] = location.hash.match(/^#\/post\/(.+)$/) ?? [];
  let next;
  try {
    next = await (id ? openPost(decodeURIComponent(id), context) : openPosts(context));
    next ??= notice('There is no such post', h('a', { href: '#/' }, 'See the posts that there are'));
  } catch (error) {
    next = notice('That did not work', explain(error), button('Try again', showAddressed));
  }
  if (mine !== turn) return next.close(); // The reader has gone elsewhere meanwhile.

  page.close();
  page = next;
  document.title = page.title ? `${page.title} · Causerie` : 'Causerie';
  main.replaceChildren(page.element);
  main.removeAttribute('aria-busy');
}

function notice(title, ...children) {
  const paragraphs = children.map((child) => h('p', {}, child));
  return {
    title,
    element: h('div', { role: 'alert' }, h('h1', { tabindex: -1 }, title), ...paragraphs),
    close() {},
  };
}

function showReader() {
  const { user } = session;
  const reader = user
    ? [avatar(user), nameOf(user), button('Leave', () => session.forget())]
    : [button('Choose a name', () => signedIn().catch(() => {}))];
  document.getElementById('reader').replaceChildren(...reader);
}

session.addEventListener('change', () => {
  showReader();
  socket.reconnect();
});
addEventListener('hashchange', async () => {
  await showAddressed();
  scrollTo(0, 0);
  main.querySelector('h1').focus(); // So that a screen reader starts over where the new page does.
});

showReader();
showAddressed();
