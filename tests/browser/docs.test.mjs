// The pages of docs/ for front ends: every snippet compiles under `strict`, and each page works in a browser.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { build } from 'esbuild';

import { startNetwork } from '../support/network.mjs';
import { keptDatabase, startServer } from '../support/server.mjs';
import { launch, openWindow } from './chromium.mjs';

const run = promisify(execFile);
const docs = fileURLToPath(new URL('../../docs/', import.meta.url));
const folder = fileURLToPath(new URL('docs/', import.meta.url));
/** Files that pages take from clients.md. */
const SHARED = ['session.ts', 'socket.ts'];
/** Has a reader long enough away that its clients' delays have grown. */
const COMES_BACK = { timeout: 60_000 };

/** Returns the code blocks of a page in these languages. */
async function blocks(page, ...languages) {
  const text = await readFile(page, 'utf8');
  const found = [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)];
  return found.filter(([, language]) => languages.includes(language)).map(([, , code]) => code);
}

/** Returns the files that a page shows, by name. */
async function files(name) {
  const shown = await blocks(`${docs}${name}.md`, 'ts', 'tsx', 'js', 'jsx');
  return Object.fromEntries(
    shown.map((code) => {
      const [, file] = code.match(/^\/\/ (\S+\.tsx?)\n/) ?? assert.fail(`docs/${name}.md: name the file: ${code}`);
      return [file, code];
    }),
  );
}

/** The entry that a page leaves to its reader: it puts the component into a document. */
const MAIN = {
  'react-apollo': `
    import { ApolloProvider } from '@apollo/client/react';
    import { StrictMode } from 'react';
    import { createRoot } from 'react-dom/client';
    import { client } from './apollo';
    import { Post } from './Post';
    const root = createRoot(document.getElementById('root')!);
    const postId = location.hash.slice(1);
    root.render(<StrictMode><ApolloProvider client={client}><Post postId={postId} /></ApolloProvider></StrictMode>);`,
  'react-urql': `
    import { StrictMode } from 'react';
    import { createRoot } from 'react-dom/client';
    import { Provider } from 'urql';
    import { Post } from './Post';
    import { client } from './urql';
    const root = createRoot(document.getElementById('root')!);
    const postId = location.hash.slice(1);
    root.render(<StrictMode><Provider value={client}><Post postId={postId} /></Provider></StrictMode>);`,
};

/** Writes the files of each page into a folder of its own. */
async function writePages() {
  await rm(folder, { recursive: true, force: true });
  const all = await files('clients');
  const pages = { clients: all };
  for (const name of ['react-apollo', 'react-urql', 'server-rendering', 'signing-in']) {
    pages[name] = await files(name);
    for (const file of SHARED) {
      assert.equal(pages[name][file], undefined, `docs/${name}.md repeats ${file} of docs/clients.md`);
      pages[name][file] = all[file];
    }
    if (MAIN[name]) pages[name]['main.tsx'] = MAIN[name];
  }
  for (const [name, files] of Object.entries(pages)) {
    await mkdir(folder + name, { recursive: true });
    for (const [file, code] of Object.entries(files)) await writeFile(`${folder}${name}/${file}`, code);
  }
  const compilerOptions = {
    strict: true,
    noUncheckedIndexedAccess: true,
    noUnusedLocals: true,
    noEmit: true,
    skipLibCheck: true,
    target: 'es2022',
    module: 'esnext',
    moduleResolution: 'bundler',
    jsx: 'react-jsx',
    lib: ['es2023', 'dom', 'dom.iterable'],
    types: [],
  };
  await writeFile(`${folder}tsconfig.json`, JSON.stringify({ compilerOptions, include: ['*/*'] }));
}

before(writePages);

test('every snippet compiles under strict', async () => {
  const compiler = createRequire(import.meta.url).resolve('typescript/package.json');
  await run(process.execPath, [compiler.replace('package.json', 'bin/tsc'), '--project', folder]).catch(
    ({ stdout, stderr }) => assert.fail(`tsc refuses the code:\n${stdout}${stderr}`),
  );
});

test('every page for front ends is among those that are tested', async () => {
  const withCode = [];
  for (const file of await readdir(docs)) {
    if (file.endsWith('.md') && (await blocks(docs + file, 'ts', 'tsx', 'js', 'jsx', 'html')).length) withCode.push(file);
  }
  assert.deepEqual(withCode.sort(), [
    'clients.md',
    'plain-script.md',
    'react-apollo.md',
    'react-urql.md',
    'server-rendering.md',
    'signing-in.md',
  ]);
});

describe('in a browser', () => {
  let browser, database, site, server, network, postId, token;
  /** What the site answers, by path. */
  const answers = {};

  before(async () => {
    site = createServer(async (request, response) => {
      const answer = answers[new URL(request.url, 'http://site').pathname];
      try {
        const [type, body] = await answer();
        response.writeHead(200, { 'Content-Type': `${type}; charset=utf-8` }).end(body);
      } catch {
        response.writeHead(500).end();
      }
    });
    site.listen(0, '127.0.0.1');
    await once(site, 'listening');
    site.url = `http://127.0.0.1:${site.address().port}`;
    // A comment with two links waits for a moderator.
    database = { ...(await keptDatabase()), env: { ALLOWED_ORIGINS: site.url, HOLD_LINKS: '1' } };
    [browser, server] = await Promise.all([launch(), startServer(database)]);
    network = await startNetwork(server.port);
    answers['/comments-token'] = () => ['text/plain', token()];
    answers['/favicon.ico'] = () => ['image/png', ''];
  });
  beforeEach(async () => {
    postId = await server.createPost('A page from the documentation');
    token = () => server.token({ sub: 'ada', name: 'Ada' });
  });
  afterEach(() => Promise.all((browser?.contexts() ?? []).map((context) => context.close())));
  after(async () => {
    network?.stop();
    site?.close();
    await Promise.all([browser?.close(), server?.stop()]);
    await database?.remove();
  });

  const bob = () => ({ token: server.token({ sub: 'bob', name: 'Bob' }) });
  const write = (body, parentId) => server.createComment({ postId, body, parentId }, bob());
  const here = (code) => code.replaceAll('https://comments.example.org', network.url);
  const texts = (page) => page.locator('li > span').allTextContents();
  const shown = (page, text) => page.locator('li > span').getByText(text, { exact: true });
  const heading = (page, text) => page.getByRole('heading', { name: text, level: 2 }).waitFor();

  /** Imports what esbuild has written. */
  const imported = ({ outputFiles: [{ contents }] }) =>
    import(`data:text/javascript;base64,${Buffer.from(contents).toString('base64')}`);

  async function replaceServer() {
    const { port } = server;
    await server.stop();
    server = await startServer({ ...database, port });
  }

  async function bundle(name, entry) {
    const built = await build({
      stdin: { contents: here(await readFile(`${folder}${name}/${entry}`, 'utf8')), resolveDir: folder + name, loader: 'tsx' },
      bundle: true,
      write: false,
      format: 'esm',
      jsx: 'automatic',
      define: { 'process.env.NODE_ENV': '"development"' },
      logLevel: 'silent',
      plugins: [
        {
          name: 'endpoint',
          setup: ({ onLoad }) =>
            onLoad({ filter: /socket\.ts$/ }, async ({ path }) => ({ contents: here(await readFile(path, 'utf8')), loader: 'ts' })),
        },
      ],
    });
    const html = `<!doctype html><meta charset="utf-8"><div id="root"></div><script type="module" src="/${name}.js"></script>`;
    answers[`/${name}`] = () => ['text/html', html];
    answers[`/${name}.js`] = () => ['text/javascript', built.outputFiles[0].text];
  }

  /** Lets others write, cuts the network, and replaces the server. */
  async function live(page) {
    const first = await write('The first.');
    await shown(page, 'The first.').waitFor();
    await write('A reply.', first);
    const second = await write('The second.');
    await shown(page, 'The second.').waitFor();
    await heading(page, /^3 comments/);
    page.assertNoComplaints();

    network.goDown();
    await server.deleteComment(second, bob());
    const third = await write('Missed.');
    await write('Missed as well.', third);
    await server.editComment({ id: first, body: 'Edited.' }, bob());
    network.goUp();
    await shown(page, 'Missed.').waitFor(COMES_BACK);
    await shown(page, 'Edited.').waitFor();
    await shown(page, 'The second.').waitFor({ state: 'detached' });
    await heading(page, /^4 comments/);

    await replaceServer();
    await write('After the restart.');
    await shown(page, 'After the restart.').waitFor(COMES_BACK);
    await heading(page, /^5 comments/);
  }

  const LINKS = 'From https://example.org to https://example.com.';

  /** Has the comment with links approved, rejected and approved again, among others. */
  async function moderate(items) {
    const id = await server.pendingComment(postId);
    await write('Meanwhile.');
    await items('Meanwhile.').waitFor();
    assert.equal(await items(LINKS).count(), 0);
    await server.approve(id);
    await items(LINKS).waitFor();
    await write('Later.');
    await items('Later.').waitFor();
    await server.reject(id);
    await items(LINKS).waitFor({ state: 'detached' });
    await server.approve(id);
    await items(LINKS).waitFor();
    assert.deepEqual(await server.comments(postId), ['Later.', LINKS, 'Meanwhile.', 'Before.']);
  }

  /** Sends a comment that waits for a moderator, and follows it through the moderator's decisions. */
  async function waits(page) {
    await shown(page, 'Before.').waitFor();
    await page.getByRole('textbox').fill(LINKS);
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('Your comment waits for a moderator.').waitFor();
    await moderate((text) => shown(page, text));
    assert.deepEqual(await texts(page), ['Later.', LINKS, 'Meanwhile.', 'Before.']);
    await heading(page, /^4 comments/);
    page.assertNoComplaints();
  }

  for (const name of ['react-apollo', 'react-urql']) {
    test(`${name} places a comment that waited where it is listed`, async () => {
      await bundle(name, 'main.tsx');
      await write('Before.');
      const page = await openWindow(browser, `${site.url}/${name}#${postId}`);
      await page.getByText('1 reading').waitFor();
      await waits(page);
    });

    test(`${name} loses nothing and shows nothing twice`, async () => {
      await bundle(name, 'main.tsx');
      const page = await openWindow(browser, `${site.url}/${name}#${postId}`);
      page.on('console', (message) => message.type() === 'warning' && assert.fail(message.text()));
      await page.getByText('1 reading').waitFor();
      await live(page);
      assert.deepEqual(await texts(page), ['After the restart.', 'Missed.', 'Missed as well.', 'Edited.', 'A reply.']);

      await page.getByRole('textbox').fill('My own.');
      await page.getByRole('button', { name: 'Send' }).click();
      await shown(page, 'My own.').waitFor();
      await heading(page, '6 comments');
      assert.equal((await texts(page))[0], 'My own.');
      assert.equal(await page.getByRole('textbox').inputValue(), '');
    });

    test(`${name} outlives its token and a failing backend, and goes on as the next user`, async () => {
      await bundle(name, 'main.tsx');
      const soon = Math.floor(Date.now() / 1000) + 4;
      token = () => server.token({ sub: 'ada', name: 'Ada', exp: soon });
      const page = await openWindow(browser, 'about:blank');
      const ended = new Promise((end) => page.on('websocket', (socket) => socket.on('close', end)));
      await page.goto(`${site.url}/${name}#${postId}`);
      await page.getByText('1 reading').waitFor();
      // The first request for the next token fails.
      let requests = 0;
      token = () => {
        if (++requests === 1) throw new Error('away');
        return server.token({ sub: 'cleo', name: 'Cleo' });
      };
      await ended;
      await write('Still there?');
      await shown(page, 'Still there?').waitFor(COMES_BACK);
      assert.ok(requests > 1);
      await page.getByRole('textbox').fill('I am.');
      await page.getByRole('button', { name: 'Send' }).click();
      await page.getByRole('listitem').filter({ hasText: 'Cleo' }).getByText('I am.').waitFor();
    });

    test(`${name} shows an edited comment in its place, once`, async () => {
      await bundle(name, 'main.tsx');
      const oldest = await write('Number 1.');
      for (let number = 2; number <= 23; number++) await write(`Number ${number}.`);
      const page = await openWindow(browser, `${site.url}/${name}#${postId}`);
      await shown(page, 'Number 23.').waitFor();
      await page.getByText('1 reading').waitFor();
      await server.editComment({ id: oldest, body: 'Number one.' }, bob());
      await write('Number 24.');
      await shown(page, 'Number 24.').waitFor();
      assert.equal((await texts(page))[0], 'Number 24.');
      await page.getByRole('button', { name: 'Older comments' }).click();
      await shown(page, 'Number 2.').waitFor();
      const expected = Array.from({ length: 23 }, (_, number) => `Number ${24 - number}.`);
      assert.deepEqual(await texts(page), [...expected, 'Number one.']);
    });

    test(`${name} loads older comments`, async () => {
      await bundle(name, 'main.tsx');
      for (let number = 1; number <= 23; number++) await write(`Number ${number}.`);
      const page = await openWindow(browser, `${site.url}/${name}#${postId}`);
      await shown(page, 'Number 23.').waitFor();
      await page.getByText('1 reading').waitFor();
      await write('Number 24.');
      await shown(page, 'Number 24.').waitFor();
      await page.getByRole('button', { name: 'Older comments' }).click();
      await shown(page, 'Number 1.').waitFor();
      const expected = Array.from({ length: 24 }, (_, number) => `Number ${24 - number}.`);
      assert.deepEqual(await texts(page), expected);
      page.assertNoComplaints();
    });
  }

  /** Opens README's page. */
  async function openReadme() {
    const [html] = await blocks(`${docs}../README.md`, 'html');
    const changed = html
      .replace('127.0.0.1:8000', new URL(network.url).host)
      .replace("'the-quiet-web'", JSON.stringify(postId));
    assert.ok(changed.includes(postId) && changed.includes(new URL(network.url).host));
    answers['/readme'] = () => ['text/html', changed];
    const page = await openWindow(browser, 'about:blank');
    await page.route('https://cdn.jsdelivr.net/npm/graphql-ws@6.4.2/**', (route) => {
      const [, file] = route.request().url().match(/dist\/([\w.-]+)$/);
      const path = createRequire(import.meta.url).resolve('graphql-ws/package.json').replace('package.json', `dist/${file}`);
      return route.fulfill({ path, contentType: 'text/javascript' });
    });
    await page.goto(`${site.url}/readme`);
    await page.locator('#viewers').getByText('1', { exact: true }).waitFor();
    const items = () => page.getByRole('listitem').allTextContents();
    const item = (text) => page.getByRole('listitem').getByText(text, { exact: true });
    return { page, items, item };
  }

  test("README's page places a comment that waited where it is listed", async () => {
    await write('Before.');
    const { page, items, item } = await openReadme();
    await page.getByRole('textbox').fill(LINKS);
    const dialog = page.waitForEvent('dialog');
    const sent = page.getByRole('button', { name: 'Send' }).click();
    assert.equal((await dialog).message(), 'Your comment waits for a moderator.');
    await (await dialog).accept();
    await sent;
    await moderate((text) => item(`${text === LINKS ? 'Guest' : 'Bob'}: ${text}`));
    assert.deepEqual(await items(), ['Bob: Later.', `Guest: ${LINKS}`, 'Bob: Meanwhile.', 'Bob: Before.']);
    page.assertNoComplaints();
  });

  test("README's page shows each comment once, and goes on after a restart", async () => {
    const first = await write('The first.');
    const { page, items, item } = await openReadme();
    await item('Bob: The first.').waitFor();
    await page.getByRole('textbox').fill('My own.');
    await page.getByRole('button', { name: 'Send' }).click();
    await item('Guest: My own.').waitFor();
    page.assertNoComplaints();

    await replaceServer();
    await server.deleteComment(first, bob());
    await write('The last.');
    await item('Bob: The last.').waitFor(COMES_BACK);
    assert.deepEqual(await items(), ['Bob: The last.', 'Guest: My own.']);
  });

  async function openPlainScript() {
    const [html] = await blocks(`${docs}plain-script.md`, 'html');
    const changed = html
      .replace('http://127.0.0.1:8000', network.url)
      .replace("'the-quiet-web'", JSON.stringify(postId));
    assert.ok(changed.includes(postId) && changed.includes(network.url));
    answers['/plain-script'] = () => ['text/html', changed];
    return openWindow(browser, `${site.url}/plain-script`);
  }

  test('plain-script places a comment that waited where it is listed', async () => {
    await write('Before.');
    const page = await openPlainScript();
    await heading(page, '1 comments, 1 reading');
    await waits(page);
  });

  test('plain-script loses nothing and shows nothing twice', async () => {
    const page = await openPlainScript();
    await heading(page, '0 comments, 1 reading');
    await live(page);
    assert.deepEqual(await texts(page), ['After the restart.', 'Missed.', 'Missed as well.', 'Edited.', 'A reply.']);

    await page.getByRole('textbox').fill('My own.');
    await page.getByRole('button', { name: 'Send' }).click();
    await shown(page, 'My own.').waitFor();
    await heading(page, '6 comments, 1 reading');
  });

  test('signing-in signs a token that the server takes', async () => {
    const built = await build({
      entryPoints: [`${folder}signing-in/token.ts`],
      bundle: true,
      write: false,
      format: 'esm',
    });
    const { signToken } = await imported(built);
    const signed = await signToken({ id: '7', name: 'Cleo', role: 'author' }, database.secret);
    const { me } = await server.ask('{ me { id name role } }', {}, { token: signed });
    assert.deepEqual(me, { id: '7', name: 'Cleo', role: 'AUTHOR' });
  });

  async function renderPage() {
    const built = await build({
      stdin: { contents: here(await readFile(`${folder}server-rendering/render.ts`, 'utf8')), loader: 'ts' },
      write: false,
      format: 'esm',
    });
    const { renderComments } = await imported(built);
    const html = await renderComments(postId);
    assert.match(await renderComments('no-such-post'), /no comments yet/);
    await bundle('server-rendering', 'follow.ts');
    answers['/rendered'] = () => ['text/html', `<!doctype html>${html}<script type="module" src="/server-rendering.js"></script>`];
  }

  test('server-rendering places a comment that waited where it is listed', async () => {
    await write('Before.');
    await write(LINKS);
    await renderPage();
    const page = await openWindow(browser, `${site.url}/rendered`);
    await moderate((text) => shown(page, text));
    assert.deepEqual(await texts(page), ['Before.', 'Meanwhile.', LINKS, 'Later.']);
    page.assertNoComplaints();
  });

  test('server-rendering goes on where its page was rendered', async () => {
    const kept = await write('Rendered.');
    const gone = await write('Rendered too.');
    await renderPage();
    // The page is read from a cache, long after it was rendered.
    await server.editComment({ id: kept, body: 'Edited <b>since</b>.' }, bob());
    await server.deleteComment(gone, bob());
    await write('Written since.');
    const page = await openWindow(browser, `${site.url}/rendered`);
    await shown(page, 'Written since.').waitFor();
    await shown(page, 'Rendered too.').waitFor({ state: 'detached' });
    assert.deepEqual(await texts(page), ['Edited <b>since</b>.', 'Written since.']);
    await heading(page, '2 comments');
    page.assertNoComplaints();
  });
});
