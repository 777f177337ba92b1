// The demo page in two windows: each reader sees the other's actions.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { startServer } from '../support/server.mjs';
import { launch, openWindow } from './chromium.mjs';
import {
  comment,
  giveName,
  isLive,
  newComment,
  openPost,
  post,
  reading,
  reply,
  signIn,
  typing,
} from './demo-page.mjs';

let browser, server, postId;
before(async () => ([browser, server] = await Promise.all([launch(), startServer()])));
beforeEach(async () => (postId = await server.createPost('Two windows')));
afterEach(() => Promise.all(browser.contexts().map((context) => context.close())));
after(() => Promise.all([browser.close(), server.stop()]));

const open = (options) => openPost(browser, server, postId, options);
const person = (name) => ({ token: server.token({ sub: name, name }) });

test('the list of posts leads to a post', async () => {
  const page = await openWindow(browser, server.url);
  await page.getByTestId('post').getByRole('link', { name: 'Two windows' }).first().click();
  await page.getByRole('heading', { name: 'Two windows', level: 1 }).waitFor();
  await isLive(page);
  page.assertNoComplaints();
});

test('a comment and a reply appear in the other window, each of them once', async () => {
  const [ada, bob] = await Promise.all([open(), open()]);
  await Promise.all([signIn(ada, 'Ada'), signIn(bob, 'Bob')]);

  await post(ada, 'Good morning.');
  await comment(bob, 'Good morning.').waitFor();
  await reply(bob, 'Good morning.', 'And to you.');
  await comment(ada, 'And to you.').waitFor();
  // A duplicate would have come before this comment.
  await post(ada, 'Lovely weather.');
  await comment(bob, 'Lovely weather.').waitFor();

  for (const page of [ada, bob]) {
    for (const text of ['Good morning.', 'And to you.', 'Lovely weather.']) {
      assert.equal(await comment(page, text).count(), 1, text);
    }
    await page.getByRole('heading', { name: '3 comments' }).waitFor();
    const thread = page.getByTestId('comment').filter({ hasText: 'Good morning.' });
    assert.equal(await thread.getByTestId('comment').count(), 1, 'the reply is beneath what it answers');
    page.assertNoComplaints();
  }
});

test('reading and typing show in the other window', async () => {
  const ada = await open();
  await reading(ada, '1 reading').waitFor();
  const bob = await open();
  await reading(ada, '2 reading').waitFor();
  await reading(bob, '2 reading').waitFor();

  await signIn(bob, 'Bob');
  await newComment(bob).pressSequentially('Well');
  await typing(ada, 'Bob is typing…').waitFor();
  assert.equal(await bob.getByTestId('typing').textContent(), '', 'nobody is told of himself');
  await newComment(bob).fill('');
  await typing(ada, 'Bob is typing…').waitFor({ state: 'detached' });

  await bob.context().close();
  await reading(ada, '1 reading').waitFor();
  ada.assertNoComplaints();
});

test('up to two typing users are named, and more are counted', async () => {
  const page = await open();
  await reading(page, '1 reading').waitFor();
  const types = (name) => server.setTyping(postId, true, person(name));
  await types('Ada');
  await types('Bob');
  await typing(page, 'Ada and Bob are typing…').waitFor();
  await types('Cleo');
  await typing(page, '3 people are typing…').waitFor();
});

test('an edit and a deletion appear in the other window', async () => {
  const [ada, bob] = await Promise.all([open(), open()]);
  await signIn(ada, 'Ada');
  await post(ada, 'Teh first version.');
  const seen = comment(bob, 'Teh first version.');
  await seen.waitFor();
  assert.equal(await seen.getByRole('button', { name: 'Edit' }).count(), 0, 'only an author can edit');

  await comment(ada, 'Teh first version.').getByRole('button', { name: 'Edit' }).click();
  await ada.getByRole('textbox', { name: 'Edit your comment' }).fill('The first version.');
  await ada.getByRole('button', { name: 'Save' }).click();
  await comment(bob, 'The first version.').getByText('edited').waitFor();

  const remove = async (text) => {
    await comment(ada, text).first().getByRole('button', { name: 'Delete' }).first().click();
    await ada
      .getByRole('group', { name: 'Delete this comment?' })
      .getByRole('button', { name: 'Delete' })
      .click();
  };
  await remove('The first version.');
  for (const page of [ada, bob]) {
    await page.getByRole('heading', { name: 'Comments', exact: true }).waitFor();
    assert.equal(await page.getByTestId('comment').count(), 0, 'it had no replies');
  }

  await post(ada, 'Answered.');
  await reply(ada, 'Answered.', 'The answer.');
  await comment(bob, 'The answer.').first().waitFor();
  await remove('Answered.');
  for (const page of [ada, bob]) {
    await comment(page, 'This comment was deleted.').first().waitFor();
    assert.deepEqual(await page.getByTestId('body').allTextContents(), ['This comment was deleted.', 'The answer.']);
    await page.getByRole('heading', { name: '1 comment' }).waitFor();
    page.assertNoComplaints();
  }
});

test('a reload keeps the comments, and keeps the name in this window only', async () => {
  const page = await open();
  await signIn(page, 'Ada');
  await post(page, 'Still here?');
  await page.reload();
  await isLive(page);
  await comment(page, 'Still here?').getByRole('button', { name: 'Edit' }).waitFor();
  await page.getByTestId('reader').getByText('Ada').waitFor();

  const other = await page.context().newPage();
  await other.goto(page.url());
  await other.getByRole('button', { name: 'Choose a name' }).waitFor();
  page.assertNoComplaints();
});

test('comments are shown as text, never as markup', async () => {
  const page = await open();
  const text = '<img src=x onerror="document.title=1"> & <b>bold</b>\nand a second line';
  await server.createComment({ postId, body: text }, person('Mallory'));
  const body = page.getByTestId('body');
  await body.waitFor();
  assert.equal(await body.textContent(), text);
  assert.equal(await body.evaluate((element) => element.childElementCount), 0);
  page.assertNoComplaints();
});

test('comments are loaded page by page, and none is shown twice', async () => {
  const bodies = Array.from({ length: 23 }, (_, i) => `Comment number ${i + 1}.`);
  for (const body of bodies) await server.createComment({ postId, body }, person('Bob'));
  const page = await open();
  await page.getByRole('heading', { name: '23 comments' }).waitFor();
  const shown = page.getByTestId('body');
  const more = page.getByRole('button', { name: 'Load more comments' });
  assert.deepEqual(await shown.allTextContents(), bodies.slice(13).reverse());

  await server.createComment({ postId, body: 'The newest.' }, person('Bob'));
  await comment(page, 'The newest.').waitFor();
  await more.click();
  await comment(page, bodies[3]).waitFor();
  await more.click();
  await more.waitFor({ state: 'hidden' });
  assert.deepEqual(await shown.allTextContents(), ['The newest.', ...bodies.toReversed()]);
  page.assertNoComplaints();
});

test('nothing is wider than the screen of a phone', async () => {
  const ask = person('A reader with a rather long name');
  let parentId;
  for (let depth = 0; depth < 6; depth++) {
    parentId = await server.createComment(
      { postId, parentId, body: `Level ${depth}: ${'unbreakable'.repeat(30)}` },
      ask,
    );
  }
  const page = await open({ viewport: { width: 375, height: 800 } });
  const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  await signIn(page, 'Another reader with a rather long name, as some readers have');
  await page.getByRole('button', { name: 'Show more replies' }).click();
  await page.getByText('Level 5').waitFor();
  assert.equal(await overflow(), 0, 'the post');
  await page.getByRole('link', { name: 'All posts' }).click();
  await page.getByTestId('post').first().waitFor();
  assert.equal(await overflow(), 0, 'the list of posts');
});

test('a comment that cannot be sent stays in its composer, with the reason', async () => {
  const page = await open();
  await signIn(page, 'Ada');
  await newComment(page).fill('Do not lose me.');

  await page.context().setOffline(true);
  await page.getByRole('button', { name: 'Comment', exact: true }).click();
  await page.getByText('The server cannot be reached just now.').waitFor();
  assert.equal(await newComment(page).inputValue(), 'Do not lose me.');
  await page.context().setOffline(false);

  // The server of these tests has no rate limits, so its error is simulated here.
  const tooFast = { message: 'Too many.', extensions: { code: 'RATE_LIMITED', retryAfterMs: 11_200 } };
  await page.route('**/graphql', (route) => route.fulfill({ json: { data: null, errors: [tooFast] } }));
  await page.getByRole('button', { name: 'Comment', exact: true }).click();
  await page.getByText('Try again in 12 s.').waitFor();
  assert.equal(await newComment(page).inputValue(), 'Do not lose me.');

  await page.unroute('**/graphql');
  await page.getByRole('button', { name: 'Comment', exact: true }).click();
  await comment(page, 'Do not lose me.').waitFor();
  assert.equal(await newComment(page).inputValue(), '');
});

test('a reader whose token expires reads on, and is asked for a name at the next comment', async () => {
  const page = await openWindow(browser, server.url);
  const token = server.token({ sub: 'ada', name: 'Ada', exp: Math.floor(Date.now() / 1000) + 4 });
  await page.evaluate((signedIn) => sessionStorage.setItem('causerie.session', JSON.stringify(signedIn)), {
    token,
    user: { id: 'ada', name: 'Ada' },
  });
  await page.goto(`${server.url}/#/post/${postId}`);
  await page.reload();
  await newComment(page).fill('Begun as Ada.');

  await page.getByRole('button', { name: 'Choose a name' }).waitFor();
  await isLive(page);
  await server.createComment({ postId, body: 'Are you still there?' }, person('Bob'));
  await comment(page, 'Are you still there?').waitFor();
  await page.getByRole('button', { name: 'Comment', exact: true }).click();
  await giveName(page, 'Ada again');
  await comment(page, 'Begun as Ada.').getByText('Ada again').waitFor();
});

test('a page that lost its server says so, and shows each missed comment once', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'causerie-'));
  const settings = {
    databaseUrl: `sqlite://${folder}/comments.db?mode=rwc`,
    secret: 'one secret for all of these servers',
  };
  const first = await startServer(settings);
  const postId = await first.createPost();
  const asBob = { token: first.token({ sub: 'bob', name: 'Bob' }) };
  const page = await openPost(browser, first, postId);
  await first.createComment({ postId, body: 'Before.' }, asBob);
  await comment(page, 'Before.').waitFor();
  await first.stop();
  await page.getByText('Reconnecting…').waitFor();

  // Another server on the same database, which the page does not know.
  const elsewhere = await startServer(settings);
  await elsewhere.createComment({ postId, body: 'Missed.' }, asBob);
  await elsewhere.stop();

  const second = await startServer({ ...settings, port: first.port });
  // The page's reconnect delays have grown meanwhile.
  await comment(page, 'Missed.').waitFor({ timeout: 60_000 });
  await isLive(page);
  await second.createComment({ postId, body: 'After.' }, asBob);
  await comment(page, 'After.').waitFor();
  assert.deepEqual(await page.getByTestId('body').allTextContents(), ['After.', 'Missed.', 'Before.']);
  await page.getByRole('heading', { name: '3 comments' }).waitFor();

  await second.stop();
  await rm(folder, { recursive: true });
});

test('a missing post shows an error page', async () => {
  const page = await openWindow(browser, `${server.url}/#/post/no-such-post`);
  await page.getByRole('heading', { name: 'There is no such post' }).waitFor();
  page.assertNoComplaints();
});
