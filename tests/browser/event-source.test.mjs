// A browser's own EventSource, which supports only GET: subscriptions without any client library.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { startProxy } from '../support/proxy.mjs';
import { keptDatabase, startServer } from '../support/server.mjs';
import { launch, openWindow } from './chromium.mjs';

let browser, server, postId;
before(async () => ([browser, server] = await Promise.all([launch(), startServer()])));
beforeEach(async () => (postId = await server.createPost()));
afterEach(() => Promise.all(browser.contexts().map((context) => context.close())));
after(() => Promise.all([browser.close(), server.stop()]));

/** Opens a window on the server's own origin that lists the events of a subscription. */
async function follow(subscription, { url } = server, id = postId) {
  const page = await openWindow(browser, url);
  const params = new URLSearchParams({ query: subscription, variables: JSON.stringify({ postId: id }) });
  await page.evaluate((url) => {
    const list = document.body.appendChild(document.createElement('ol'));
    list.className = 'told';
    const tell = (text) => (list.appendChild(document.createElement('li')).textContent = text);
    const source = new EventSource(url);
    source.addEventListener('next', ({ data }) => tell(data));
    source.addEventListener('complete', () => (source.close(), tell('complete')));
    source.addEventListener('error', () => (list.dataset.errors = Number(list.dataset.errors ?? 0) + 1));
  }, `/graphql?${params}`);
  return page;
}

const told = (page, text) => page.locator('.told').getByText(text, { exact: true });
const allTold = (page) => page.locator('.told li').allTextContents();

const VIEWERS = 'subscription ($postId: ID!) { viewerCount(postId: $postId) }';
const ADDED = 'subscription ($postId: ID!) { commentAdded(postId: $postId) { body } }';
const viewers = (count) => JSON.stringify({ data: { viewerCount: count } });
const added = (body) => JSON.stringify({ data: { commentAdded: { body } } });

test('an event is a `next`, and closing the page leaves the room', async () => {
  const watcher = await follow(VIEWERS);
  await told(watcher, viewers(1)).waitFor();
  const reader = await follow(ADDED);
  await told(watcher, viewers(2)).waitFor();

  const token = server.token({ sub: 'ada', name: 'Ada' });
  await server.createComment({ postId, body: 'Good morning.' }, { token });
  await told(reader, added('Good morning.')).waitFor();

  await reader.close();
  await told(watcher, viewers(1)).nth(1).waitFor();
  assert.deepEqual(await allTold(watcher), [1, 2, 1].map(viewers));
  watcher.assertNoComplaints();
});

test('an invalid subscription reports its errors and completes', async () => {
  const page = await follow('subscription ($postId: ID!) { viewerCount(postId: $postId) nothing }');
  await told(page, 'complete').waitFor();
  const [next] = await allTold(page);
  assert.equal(JSON.parse(next).errors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');
});

for (const proxy of [null, 'nginx', 'Caddy']) {
  const name = `it comes back by itself after a restart${proxy ? ` behind ${proxy}` : ''}, to what was written meanwhile`;
  test(name, (context) => comeBack(context, proxy));
}

async function comeBack(context, proxy) {
  const settings = await keptDatabase();
  let kept = await startServer(settings);
  const front = proxy ? await startProxy(proxy, kept.port) : kept;
  context.after(async () => {
    if (proxy) await front.stop();
    await kept.stop();
    await settings.remove();
  });
  const id = await kept.createPost();
  const ada = { token: kept.token({ sub: 'ada', name: 'Ada' }) };
  const write = (body) => kept.createComment({ postId: id, body }, ada);
  const watcher = await follow(VIEWERS, front, id);
  await told(watcher, viewers(1)).waitFor();
  const reader = await follow(ADDED, front, id);
  await told(watcher, viewers(2)).waitFor();
  await write('one');
  await told(reader, added('one')).waitFor();

  await kept.stop();
  // nginx answers at once while the server is away; Caddy holds the request back.
  const errors = proxy === 'nginx' ? 2 : 1;
  await reader.waitForFunction((errors) => document.querySelector('.told').dataset.errors >= errors, errors);
  kept = await startServer({ ...settings, port: kept.port });
  await write('two');
  await told(reader, added('two')).waitFor();
  await write('three');
  await told(reader, added('three')).waitFor();
  assert.deepEqual(await allTold(reader), ['one', 'two', 'three'].map(added));
}
