// The demo page in two windows: each reader sees the other's actions.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';

import { startNetwork } from '../support/network.mjs';
import { keptDatabase, startServer } from '../support/server.mjs';
import { launch, openWindow } from './chromium.mjs';
import {
  bodies,
  comment,
  giveName,
  isLive,
  mark,
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

describe('moderated', () => {
  let database, server, network, postId;
  before(async () => {
    database = await keptDatabase();
    server = await startServer({ ...database, env: { MODERATION: 'all' } });
    network = await startNetwork(server.port);
  });
  beforeEach(async () => (postId = await server.createPost('Moderated')));
  after(async () => {
    network?.stop();
    await server?.stop();
    await database?.remove();
  });

  const open = () => openPost(browser, network, postId);
  const publish = (body, parentId) => server.createComment({ postId, body, parentId }, server.moderator());
  const waits = (page, text) => mark(page, text, 'Waits for a moderator').waitFor();
  const isGone = (page, text) => comment(page, text).waitFor({ state: 'detached' });
  const counted = (page, text) => page.getByRole('heading', { name: text, exact: true }).waitFor();

  /** Asserts that the windows show exactly what a query answers. */
  async function agree(pages, expected) {
    assert.deepEqual(await server.comments(postId), expected);
    for (const page of pages) {
      await counted(page, `${expected.length} comments`);
      assert.deepEqual(await bodies(page), expected);
      assert.equal(await page.getByTestId('mark').count(), 0);
      page.assertNoComplaints();
    }
  }

  test("a comment that waits is its author's until it is approved", async () => {
    await publish('Before.');
    const [ada, bob] = await Promise.all([open(), open()]);
    await signIn(ada, 'Ada');
    await post(ada, 'Let me in.');
    await waits(ada, 'Let me in.');
    await publish('Meanwhile.');
    await Promise.all([ada, bob].map((page) => comment(page, 'Meanwhile.').waitFor()));
    assert.deepEqual(await bodies(bob), ['Meanwhile.', 'Before.']);
    await counted(ada, '2 comments');

    await ada.reload();
    await waits(ada, 'Let me in.');
    assert.deepEqual(await bodies(ada), ['Meanwhile.', 'Let me in.', 'Before.']);
    assert.equal(await comment(ada, 'Let me in.').getByRole('button', { name: 'Reply' }).count(), 0);
    await isLive(ada);

    const id = await server.pendingComment(postId);
    await server.approve(id);
    await comment(bob, 'Let me in.').waitFor();
    await mark(ada, 'Let me in.', 'Waits for a moderator').waitFor({ state: 'detached' });
    await agree([ada, bob], ['Let me in.', 'Meanwhile.', 'Before.']);
    await publish('Later.');
    await Promise.all([ada, bob].map((page) => comment(page, 'Later.').waitFor()));

    await server.reject(id);
    await isGone(bob, 'Let me in.');
    assert.deepEqual(await bodies(bob), ['Later.', 'Meanwhile.', 'Before.']);
    await mark(ada, 'Let me in.', 'Rejected').waitFor();
    await counted(ada, '3 comments');
    await ada.reload();
    await mark(ada, 'Let me in.', 'Rejected').waitFor();
    await isLive(ada);

    await server.approve(id);
    await comment(bob, 'Let me in.').waitFor();
    await mark(ada, 'Let me in.', 'Rejected').waitFor({ state: 'detached' });
    await agree([ada, bob], ['Later.', 'Let me in.', 'Meanwhile.', 'Before.']);
  });

  test('a reply that waits is shown beneath its parent', async () => {
    await publish('Answer me.');
    const page = await open();
    await signIn(page, 'Ada');
    await reply(page, 'Answer me.', 'I do.');
    await waits(page, 'I do.');
    const others = Array.from({ length: 10 }, (_, i) => `Comment number ${10 - i}.`);
    for (const body of others.toReversed()) await publish(body);
    await page.reload();
    await comment(page, others[0]).waitFor();
    await isLive(page);
    await page.getByRole('button', { name: 'Load more comments' }).click();
    await waits(page, 'I do.');
    assert.deepEqual(await bodies(page), [...others, 'Answer me.', 'I do.']);

    await server.approve(await server.pendingComment(postId));
    await mark(page, 'I do.', 'Waits for a moderator').waitFor({ state: 'detached' });
    assert.deepEqual(await bodies(page), [...others, 'Answer me.', 'I do.']);
    await counted(page, '12 comments');
  });

  test('a held edit shows its text to its author only', async () => {
    const [ada, bob] = await Promise.all([open(), open()]);
    await signIn(ada, 'Ada');
    await post(ada, 'The first version.');
    await waits(ada, 'The first version.');
    const id = await server.pendingComment(postId);
    await server.approve(id);
    await comment(bob, 'The first version.').waitFor();
    await publish('An answer.', id);
    await comment(ada, 'An answer.').waitFor();
    // Another tab of the same reader.
    const tab = await open();
    await tab.evaluate(
      (kept) => sessionStorage.setItem('causerie.session', kept),
      await ada.evaluate(() => sessionStorage.getItem('causerie.session')),
    );
    await tab.reload();
    await comment(tab, 'The first version.').waitFor();
    await isLive(tab);

    await comment(ada, 'The first version.').getByRole('button', { name: 'Edit' }).click();
    await ada.getByRole('textbox', { name: 'Edit your comment' }).fill('The second version.');
    await ada.getByRole('button', { name: 'Save' }).click();
    await comment(bob, 'This comment was deleted.').waitFor();
    for (const page of [ada, tab]) {
      await waits(page, 'The second version.');
      assert.deepEqual(await bodies(page), ['The second version.', 'An answer.']);
      await counted(page, '1 comment');
    }
    await ada.reload();
    await waits(ada, 'The second version.');
    assert.deepEqual(await bodies(ada), ['The second version.', 'An answer.']);
    await isLive(ada);

    await server.approve(id);
    await comment(bob, 'The second version.').waitFor();
    for (const page of [ada, tab, bob]) {
      await mark(page, 'The second version.', 'Waits for a moderator').waitFor({ state: 'detached' });
      assert.deepEqual(await bodies(page), ['The second version.', 'An answer.']);
      await counted(page, '2 comments');
      page.assertNoComplaints();
    }
  });

  test('a comment that waits leaves by deletion, or with its author', async () => {
    const page = await open();
    await signIn(page, 'Ada');
    for (const text of ['Never mind.', 'For my eyes.']) {
      await post(page, text);
      await waits(page, text);
    }
    await comment(page, 'Never mind.').getByRole('button', { name: 'Delete' }).click();
    const question = page.getByRole('group', { name: 'Delete this comment?' });
    await question.getByRole('button', { name: 'Delete' }).click();
    await isGone(page, 'Never mind.');
    assert.deepEqual(await bodies(page), ['For my eyes.']);
    await page.reload();
    await waits(page, 'For my eyes.');
    assert.deepEqual(await bodies(page), ['For my eyes.']);
    await page.getByRole('button', { name: 'Leave' }).click();
    await isGone(page, 'For my eyes.');
    page.assertNoComplaints();
  });

  test('an approval that overtakes its answer leaves no mark', async () => {
    const page = await open();
    await signIn(page, 'Ada');
    await page.route('**/graphql', async (route) => {
      if (!route.request().postData().includes('mutation Create(')) return route.continue();
      const response = await route.fetch();
      await server.approve(await server.pendingComment(postId));
      await comment(page, 'Quick.').waitFor();
      await route.fulfill({ response });
    });
    await newComment(page).fill('Quick.');
    const answered = page.waitForResponse('**/graphql');
    await page.getByRole('button', { name: 'Comment', exact: true }).click();
    await (await answered).finished();
    await page.waitForFunction(() => document.querySelector('textarea').value === '');
    assert.deepEqual(await bodies(page), ['Quick.']);
    assert.equal(await page.getByTestId('mark').count(), 0);
    await counted(page, '1 comment');
  });

  test('a closed post takes no comments, and keeps a draft', async () => {
    await publish('Before.');
    const page = await open();
    await signIn(page, 'Ada');
    await newComment(page).fill('A draft.');
    const closed = page.getByText('Comments are closed.', { exact: true });
    assert.equal(await closed.count(), 0);

    await server.setOpen(postId, false);
    await closed.waitFor();
    assert.equal(await newComment(page).count(), 0);
    assert.equal(await page.getByRole('button', { name: 'Reply', exact: true }).count(), 0);
    const another = await open();
    await another.getByText('Comments are closed.', { exact: true }).waitFor();
    assert.equal(await another.getByRole('button', { name: 'Write a comment' }).count(), 0);

    // What happens while a page is away is not replayed.
    network.goDown();
    await page.getByText('Reconnecting…').waitFor();
    await server.setOpen(postId, true);
    network.goUp();
    await closed.waitFor({ state: 'detached', timeout: 60_000 });
    assert.equal(await newComment(page).inputValue(), 'A draft.');
  });
});
