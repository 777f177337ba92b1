// The posts that are open to comments, the newest first.

import { explain } from './api.js';
import { button, h, plural, time } from './dom.js';

export const postLink = (id) => `#/post/${encodeURIComponent(id)}`;

export async function openPosts({ api }) {
  const items = h('ul', { class: 'posts' });
  const more = button('Load more posts', loadMore, { class: 'more' });
  const problem = h('p', { class: 'problem', role: 'alert', hidden: true });
  let endCursor;

  function add({ nodes, pageInfo }) {
    items.append(...nodes.map(item));
    more.hidden = !pageInfo.hasNextPage;
    endCursor = pageInfo.endCursor;
  }

  async function loadMore() {
    more.disabled = true;
    problem.hidden = true;
    try {
      add(await api.posts(endCursor));
    } catch (error) {
      problem.textContent = explain(error);
      problem.hidden = false;
    } finally {
      more.disabled = false;
    }
  }

  add(await api.posts());
  const empty = items.children.length === 0 && h('p', { class: 'hint' }, 'No post is open to comments yet.');
  return {
    title: 'Posts',
    element: h(
      'div',
      { class: 'posts-page' },
      h('h1', { tabindex: -1 }, 'Posts'),
      empty || items,
      more,
      problem,
    ),
    close() {},
  };
}

function item({ id, title, createdAt, commentCount, viewerCount }) {
  return h(
    'li',
    { 'data-testid': 'post' },
    h('h2', {}, h('a', { href: postLink(id), dir: 'auto' }, title)),
    h(
      'p',
      { class: 'meta' },
      time(createdAt),
      h('span', {}, plural(commentCount, 'comment')),
      viewerCount > 0 ? h('span', { class: 'reading' }, `${viewerCount.toLocaleString('en')} reading`) : null,
    ),
  );
}
