// Takes screenshots of the demo page and the examples during a conversation: `npm run screenshots -- FOLDER`.

import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { startServer } from '../support/server.mjs';
import { launch } from './chromium.mjs';
import * as demo from './demo-page.mjs';
import * as react from './react-page.mjs';

const SIZES = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };

const THREAD = [
  {
    author: 'Ilse Brandt',
    minutesAgo: 190,
    body: 'The best comment sections I remember felt like a kitchen table: few chairs, long evenings.',
    replies: [
      { author: 'Tomás Rey', minutesAgo: 184, body: 'And somebody always had to fetch more chairs.' },
      { author: 'Ilse Brandt', minutesAgo: 181, body: 'Which is how you knew that it was a good evening.' },
    ],
  },
  {
    author: 'Noor',
    minutesAgo: 26,
    body: 'I had given up on comments for years. What brought me back is seeing that somebody is there: a count, a name that is typing. It turns a form into a room.',
    replies: [
      {
        author: 'Tomás Rey',
        minutesAgo: 22,
        body: 'Same here. Though I do feel watched when I hesitate over a comma.',
        replies: [{ author: 'Noor', minutesAgo: 21, body: 'We saw that.' }],
      },
    ],
  },
];

// npm runs a script in its package's folder, and gives the caller's folder in INIT_CWD.
const [folder] = process.argv.slice(2);
if (!folder) throw new Error('name the folder that the pictures are to go to');
const target = resolve(process.env.INIT_CWD ?? '.', folder);
await mkdir(target, { recursive: true });

const [server, browser] = await Promise.all([startServer(), launch()]);
const identity = (name) => ({ token: server.token({ sub: name, name }) });

const ages = new Map();
async function write(postId, { author, minutesAgo, body, replies = [] }, parentId) {
  const id = await server.createComment({ postId, parentId, body }, identity(author));
  ages.set(id, minutesAgo);
  for (const reply of replies) await write(postId, reply, id);
}

/** Rewrites the creation times in a response to the ages in THREAD, because all of it was just written. */
async function age(route) {
  const response = await route.fetch();
  const json = JSON.parse(await response.text(), (key, value) =>
    ages.has(value?.id) ? { ...value, createdAt: new Date(Date.now() - ages.get(value.id) * 60_000) } : value,
  );
  await route.fulfill({ response, json });
}

/** Takes the screenshots of one page. `open(postId, options)` opens a post; `reader` has its actions. */
async function take(name, reader, open) {
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of ['light', 'dark']) {
      const postId = await server.createPost('What a comment section is for');
      ages.set(postId, 3 * 24 * 60);
      for (const entry of THREAD) await write(postId, entry);

      const others = await Promise.all([open(postId), open(postId)]);
      const page = await open(postId, { viewport, colorScheme, deviceScaleFactor: 2 });
      await page.route('**/graphql', age);
      await page.reload();
      await reader.signIn(page, 'Ada');
      await reader.reading(page, '3 reading').waitFor();
      const late = 'Comments that arrive while one reads are the nicest kind of interruption.';
      await server.createComment({ postId, body: late }, identity('Mei'));
      await reader.comment(page, late).waitFor();
      await server.setTyping(postId, true, identity('Noor'));
      await server.setTyping(postId, true, identity('Tomás'));
      await reader.typing(page, 'Noor and Tomás are typing…').waitFor();
      await page.screenshot({ path: join(target, `${name}-${size}-${colorScheme}.png`) });
      await Promise.all([page, ...others].map((each) => each.context().close()));
    }
  }
}

await take('demo', demo, (postId, options) => demo.openPost(browser, server, postId, options));
for (const name of ['react-apollo', 'react-urql']) {
  const site = await react.serveExample(name, server);
  const url = `http://127.0.0.1:${site.port}`;
  await take(name, react, (postId, options) => react.openPost(browser, url, postId, options));
  await site.stop();
}

await browser.close();
await server.stop();
