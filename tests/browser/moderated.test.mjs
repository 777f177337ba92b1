// A moderator's decisions, as readers see them: in a browser, on every transport, on one node and on another.

import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';

import { startNodes } from '../support/nodes.mjs';
import { within } from '../support/within.mjs';
import { launch, openWindow } from './chromium.mjs';
import { comment, openPost } from './demo-page.mjs';

const CHANGES = 'subscription ($id: ID!) { commentChanged(postId: $id) { kind comment { body isDeleted } } }';
const POST = 'subscription ($id: ID!) { postChanged(postId: $id) { isOpen pinnedComment { body } } }';
const TRANSPORTS = ['EventSource', 'multipart', 'WebSocket'];
const TEXT = 'A comment to decide on.';

let browser, nodes;
before(async () => {
  [browser, nodes] = await Promise.all([launch(), startNodes({ MODERATION: 'new-authors', REPORTS_TO_HOLD: '1' })]);
});
after(async () => {
  await browser.close();
  await nodes.stop();
});

/** Opens a window on a node's own origin that lists what a subscription brings over each transport. */
async function follow({ url }, query, id) {
  const page = await openWindow(browser, url);
  const body = JSON.stringify({ query, variables: { id } });
  await page.evaluate(async (body) => {
    const list = (name) => {
      const list = document.body.appendChild(document.createElement('ol'));
      list.id = name;
      const tell = (payload) => (list.appendChild(document.createElement('li')).textContent = JSON.stringify(payload));
      return { tell, open: () => (list.dataset.open = '') };
    };
    const { query, variables } = JSON.parse(body);
    const params = new URLSearchParams({ query, variables: JSON.stringify(variables) });

    const events = list('EventSource');
    const source = new EventSource(`/graphql?${params}`);
    source.onopen = events.open;
    source.addEventListener('next', ({ data }) => events.tell(JSON.parse(data).data));

    const sockets = list('WebSocket');
    const socket = new WebSocket('/graphql', 'graphql-transport-ws');
    socket.onopen = () => socket.send('{"type":"connection_init"}');
    socket.onmessage = ({ data }) => {
      const { type, payload } = JSON.parse(data);
      if (type === 'connection_ack') {
        socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query, variables } }));
        socket.send('{"type":"ping"}');
      }
      if (type === 'pong') sockets.open(); // The subscription before it has joined the room.
      if (type === 'next') sockets.tell(payload.data);
    };

    const parts = list('multipart');
    const headers = {
      'Content-Type': 'application/json',
      Accept: 'multipart/mixed;subscriptionSpec=1.0,application/json',
    };
    const response = await fetch('/graphql', { method: 'POST', headers, body });
    const [, boundary] = response.headers.get('content-type').match(/boundary="?([^";]+)/);
    parts.open();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let buffered = '';
    const read = async () => {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        buffered += value;
        const complete = buffered.split(`\r\n--${boundary}`);
        buffered = complete.pop();
        for (const part of complete) {
          const { payload } = JSON.parse(part.split('\r\n\r\n')[1] ?? '{}');
          if (payload) parts.tell(payload.data);
        }
      }
    };
    read();
  }, body);
  for (const transport of TRANSPORTS) await page.locator(`#${transport}[data-open]`).waitFor({ state: 'attached' });
  return page;
}

/** Waits until each transport of each page has brought this as its `number`th payload. */
async function told(pages, number, payload) {
  for (const page of pages) {
    for (const transport of TRANSPORTS) {
      const item = page.locator(`#${transport} > li:nth-child(${number})`);
      await item.waitFor({ state: 'attached' });
      assert.deepEqual(JSON.parse(await item.textContent()), payload, `${transport} of ${page.url()}`);
    }
  }
}

/** Follows the lists of comments that wait, as a moderator's client does over SSE. */
async function followQueue({ url }, { token }) {
  const aborted = new AbortController();
  const query = 'subscription { moderationQueueChanged { pendingCount } }';
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream', Authorization: `Bearer ${token}` },
    body: JSON.stringify({ query }),
    signal: aborted.signal,
  });
  const stream = createInterface(Readable.fromWeb(response.body));
  stream.on('error', () => {}); // Its abortion.
  const lines = stream[Symbol.asyncIterator]();
  const wait = async (pendingCount) => {
    for (;;) {
      const { value: line, done } = await lines.next();
      assert.ok(!done, 'the stream has ended');
      const [, data] = line.match(/^data: (.+)$/) ?? [];
      if (data && JSON.parse(data).data.moderationQueueChanged.pendingCount === pendingCount) return;
    }
  };
  return {
    reaches: (pendingCount) => within(wait(pendingCount), `${pendingCount} comments wait`),
    stop: () => aborted.abort(),
  };
}

test('each decision reaches every reader once, on both nodes and all transports', async () => {
  const [here, there] = nodes;
  const id = await here.createPost();
  const boss = here.moderator();
  const decide = (field, argument) => there.ask(`mutation { ${field}(input: ${argument}) { __typename } }`, {}, boss);
  const queue = await followQueue(there, boss);
  await queue.reaches(0);
  const windows = await Promise.all([here, there].map((node) => openPost(browser, node, id)));
  const changes = await Promise.all([here, there].map((node) => follow(node, CHANGES, id)));
  const posts = await Promise.all([here, there].map((node) => follow(node, POST, id)));
  const change = (kind, body = TEXT) => ({ commentChanged: { kind, comment: { body, isDeleted: body === '' } } });
  const isShown = (state) => Promise.all(windows.map((page) => comment(page, TEXT).waitFor({ state })));

  // Held: it is a new author's.
  const ada = { token: here.token({ sub: 'ada', name: 'Ada' }) };
  const commentId = await here.createComment({ postId: id, body: TEXT }, ada);
  await queue.reaches(1);
  await decide('approveComment', `{ id: "${commentId}" }`);
  await queue.reaches(0);
  await told(changes, 1, change('ADDED'));
  await isShown('visible');

  await decide('rejectComment', `{ id: "${commentId}" }`);
  await told(changes, 2, change('DELETED', ''));
  await isShown('detached');
  await decide('approveComment', `{ id: "${commentId}" }`);
  await told(changes, 3, change('RESTORED'));
  await isShown('visible');

  await decide('pinComment', `{ id: "${commentId}" }`);
  await told(posts, 1, { postChanged: { isOpen: true, pinnedComment: { body: TEXT } } });
  await decide('updatePost', `{ id: "${id}", isOpen: false }`);
  await told(posts, 2, { postChanged: { isOpen: false, pinnedComment: { body: TEXT } } });
  await Promise.all(windows.map((page) => page.getByText('closed').first().waitFor()));

  // One report holds an edited comment, but no text that a moderator approved.
  const eve = { token: here.token({ sub: 'eve', name: 'Eve' }) };
  const report = () =>
    here.ask(`mutation { reportComment(input: { commentId: "${commentId}", reason: SPAM }) { commentId } }`, {}, eve);
  await report();
  assert.equal((await here.post(id)).commentCount, 1, 'it was approved');
  const edited = `${TEXT} And a second sentence.`;
  await here.editComment({ id: commentId, body: edited }, ada);
  await told(changes, 4, change('EDITED', edited));
  await report();
  await queue.reaches(1);
  await told(changes, 5, change('DELETED', ''));
  await told(posts, 3, { postChanged: { isOpen: false, pinnedComment: null } });
  await isShown('detached');

  for (const page of [...windows, ...changes, ...posts]) page.assertNoComplaints();
  queue.stop();
});
