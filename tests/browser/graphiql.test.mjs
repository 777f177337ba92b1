// GraphiQL, whose CDN files are served from the same npm packages, byte for byte. So the browser checks the
// hashes in the page as it does for every user.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { after, afterEach, before, test } from 'node:test';

import { startServer } from '../support/server.mjs';
import { launch, watch } from './chromium.mjs';

const require = createRequire(import.meta.url);
const TYPES = { '.js': 'text/javascript', '.css': 'text/css' };

let browser, server;
/** The assertions about a test's pages, run at its end. */
const assertions = [];
before(async () => ([browser, server] = await Promise.all([launch(), startServer()])));
afterEach(() => assertions.splice(0).forEach((assertNoComplaints) => assertNoComplaints()));
after(() => Promise.all([browser.close(), server.stop()]));

async function serveFromPackages(route) {
  const url = new URL(route.request().url());
  const [, name, version, path] = url.pathname.match(/^\/npm\/([a-z-]+)@(\d+\.\d+\.\d+)\/(.+)$/) ?? [];
  assert.ok(name, `${url} names a file of an exact version`);
  const manifest = require.resolve(`${name}/package.json`);
  assert.equal(version, require(manifest).version, `the installed ${name} is the pinned one`);
  await route.fulfill({
    body: await readFile(new URL(path, `file://${manifest}`)),
    contentType: TYPES[extname(path)],
    headers: { 'Access-Control-Allow-Origin': '*' },
  });
}

async function openGraphiql() {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
  page.setDefaultTimeout(20_000);
  assertions.push(await watch(page));
  await page.route(/^https:/, serveFromPackages);
  await page.goto(`${server.url}/graphiql`);
  await page.getByRole('button', { name: 'Execute query' }).waitFor();
  return page;
}

/** Sets the text as a paste would, because typing would trigger the editor's completions. */
const put = (page, editor, text) =>
  page.locator(`${editor} .CodeMirror`).evaluate((element, text) => element.CodeMirror.setValue(text), text);

/** Enters an operation, and waits until GraphiQL has named the tab after it: then it can be run. */
async function write(page, operation) {
  const [, name] = operation.match(/^\w+ (\w+)/);
  await put(page, '.graphiql-query-editor', operation);
  await page.getByRole('tab', { name, exact: true }).waitFor();
}

async function putHeaders(page, headers) {
  await page.getByRole('button', { name: 'Headers', exact: true }).click();
  await put(page, '[aria-label=Headers] .graphiql-editor:not(.hidden)', JSON.stringify(headers));
}

const run = (page) => page.getByRole('button', { name: 'Execute query' }).click();
const result = (page, text) => page.getByRole('region', { name: 'Result Window' }).getByText(text);

test('every file from another origin is pinned by a hash', async () => {
  const page = await openGraphiql();
  const taken = await page.evaluate(() =>
    [...document.querySelectorAll('script[src], link[rel=stylesheet]')]
      .map((element) => ({ url: element.src ?? element.href, integrity: element.integrity }))
      .filter(({ url }) => !url.startsWith(location.origin)),
  );
  assert.equal(taken.length, 4);
  for (const { url, integrity } of taken) assert.match(integrity, /^sha384-/, url);
});

test('the initial query runs', async () => {
  const title = 'A post to be found';
  await server.createPost(title);
  const page = await openGraphiql();
  await run(page);
  await result(page, title).waitFor();
});

test('headers are sent with a query, and as the payload of connection_init with a subscription', async () => {
  const page = await openGraphiql();
  const postId = await server.createPost();
  const token = server.token({ sub: 'ada', name: 'Ada' });
  await putHeaders(page, { Authorization: `Bearer ${token}` });

  await write(page, 'query Me { me { name } }');
  await run(page);
  await result(page, '"Ada"').waitFor();

  await write(page, `subscription Readers { viewerCount(postId: "${postId}") }`);
  const init = page.waitForEvent('websocket').then((socket) => socket.waitForEvent('framesent'));
  await run(page);
  await result(page, 'viewerCount').waitFor();
  assert.deepEqual(JSON.parse((await init).payload), {
    type: 'connection_init',
    payload: { Authorization: `Bearer ${token}` },
  });
});

test('a subscription shows its events', async () => {
  const page = await openGraphiql();
  const postId = await server.createPost();
  const { post } = await server.ask(`query ($id: ID!) { post(id: $id) { cursor } }`, { id: postId });
  await write(
    page,
    `subscription Changes { commentChanged(postId: "${postId}", after: "${post.cursor}") { comment { body } } }`,
  );
  await run(page);
  const bob = { token: server.token({ sub: 'bob', name: 'Bob' }) };
  await server.createComment({ postId, body: 'Seen in GraphiQL.' }, bob);
  await result(page, 'Seen in GraphiQL.').waitFor();
  await server.createComment({ postId, body: 'And again.' }, bob);
  await result(page, 'And again.').waitFor();
});

test("a mutation runs as the user of the headers' token", async () => {
  const page = await openGraphiql();
  const postId = await server.createPost();
  await putHeaders(page, { Authorization: `Bearer ${server.token({ sub: 'ada', name: 'Ada' })}` });
  const input = `{ postId: "${postId}", body: "Written in GraphiQL." }`;
  await write(page, `mutation Write { createComment(input: ${input}) { comment { body author { name } } } }`);
  await run(page);
  await result(page, '"Written in GraphiQL."').waitFor();
  await result(page, '"Ada"').waitFor();
  const query = `query ($id: ID!) { post(id: $id) { comments { nodes { body } } } }`;
  const { post } = await server.ask(query, { id: postId });
  assert.deepEqual(post.comments.nodes, [{ body: 'Written in GraphiQL.' }]);
});

test('a mutation without a token is unauthenticated', async () => {
  const page = await openGraphiql();
  const postId = await server.createPost();
  const input = `{ postId: "${postId}", body: "Whose?" }`;
  await write(page, `mutation Write { createComment(input: ${input}) { comment { body } } }`);
  await run(page);
  await result(page, '"UNAUTHENTICATED"').waitFor();
});

test('a new connection sends the current headers', async () => {
  const page = await openGraphiql();
  const postId = await server.createPost();
  const readers = `subscription Readers { viewerCount(postId: "${postId}") }`;
  const open = async (name) => {
    await putHeaders(page, { Authorization: `Bearer ${server.token({ sub: name, name })}`, clientId: name });
    const init = page.waitForEvent('websocket').then((socket) => socket.waitForEvent('framesent'));
    await run(page);
    await result(page, 'viewerCount').waitFor();
    await page.getByRole('button', { name: 'Stop query' }).click();
    return JSON.parse((await init).payload).payload.clientId;
  };
  await write(page, readers);
  assert.equal(await open('ada'), 'ada');
  assert.equal(await open('bob'), 'bob');
});

test('the documentation explorer shows the descriptions of the schema', async () => {
  const page = await openGraphiql();
  await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
  const docs = page.locator('.graphiql-doc-explorer');
  await docs.getByRole('link', { name: 'Subscription' }).first().click();
  await docs.getByText("A subscription to a post is being in that post's room").waitFor();
  await docs.getByRole('link', { name: 'commentChanged' }).click();
  await docs.getByText("Every change of the post's comments").waitFor();
  await docs.getByText('A place in the feed: what a page of that place must learn comes first').waitFor();
});
