// The React example pages, each in two windows: each reader sees the other's actions.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { startNetwork } from '../support/network.mjs';
import { keptDatabase, startServer } from '../support/server.mjs';
import { launch, openWindow } from './chromium.mjs';
import {
  bodies,
  comment,
  counted,
  isAcknowledged,
  isCutOff,
  isLive,
  mark,
  newComment,
  pendingComments,
  openPost,
  post,
  reading,
  reply,
  reopenAs,
  sending,
  serveBuilt,
  serveExample,
  signIn,
  typing,
} from './react-page.mjs';

for (const example of ['react-apollo', 'react-urql']) {
  describe(example, () => {
    let browser, database, server, site, network, postId;
    before(async () => {
      database = await keptDatabase();
      [browser, server] = await Promise.all([launch(), startServer(database)]);
      site = await serveExample(example, server);
      network = await startNetwork(site.port);
    });
    beforeEach(async () => (postId = await server.createPost('Two windows')));
    afterEach(() => Promise.all(browser.contexts().map((context) => context.close())));
    after(async () => {
      // Whatever was started before a failure must end too.
      network?.stop();
      await Promise.all([browser?.close(), site?.stop()]);
      await server?.stop();
      await database?.remove();
    });

    const open = (options) => openPost(browser, network.url, postId, options);
    const person = (name) => ({ token: server.token({ sub: name, name }) });

    test('the list of posts leads to a post, and back', async () => {
      const page = await openWindow(browser, network.url);
      await page.getByRole('link', { name: 'Two windows' }).first().click();
      await page.getByRole('heading', { name: 'Two windows', level: 1 }).waitFor();
      await isLive(page);
      await page.getByRole('link', { name: 'All posts' }).click();
      await page.getByRole('heading', { name: 'Posts', level: 1 }).waitFor();
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
        assert.deepEqual(await bodies(page), ['Lovely weather.', 'Good morning.', 'And to you.']);
        await counted(page, '3 comments').waitFor();
        const thread = page.getByRole('listitem').filter({ hasText: 'Good morning.' }).first();
        assert.equal(await thread.getByRole('listitem').count(), 1, 'the reply is beneath what it answers');
        page.assertNoComplaints();
      }
    });

    test('a comment is shown before the server has answered, and once afterwards', async () => {
      const page = await open();
      await signIn(page, 'Ada');
      let letGo;
      const held = new Promise((resolve) => (letGo = resolve));
      await page.route('**/graphql', async (route) => {
        if (route.request().postData().includes('mutation CreateComment')) await held;
        await route.continue();
      });

      await post(page, 'No time to lose.');
      const sending = page.locator('.sending');
      assert.equal(await sending.count(), 1);
      assert.equal(await newComment(page).inputValue(), '');
      letGo();
      await sending.waitFor({ state: 'detached' });
      // Another's comment comes by the feed, in which the reader's own would have come first.
      await server.createComment({ postId, body: 'By another.' }, person('bob'));
      await comment(page, 'By another.').waitFor();
      assert.deepEqual(await bodies(page), ['By another.', 'No time to lose.']);
      await counted(page, '2 comments').waitFor();
      page.assertNoComplaints();
    });

    test('a refused comment goes back into the composer, with the reason', async () => {
      const page = await open();
      await signIn(page, 'Ada');
      const refused = { message: 'Too many.', extensions: { code: 'RATE_LIMITED', retryAfterMs: 11_200 } };
      await page.route('**/graphql', (route) =>
        route.request().postData().includes('mutation CreateComment')
          ? route.fulfill({ json: { data: null, errors: [refused] } })
          : route.continue(),
      );
      await newComment(page).fill('Do not lose me.');
      await page.getByRole('button', { name: 'Comment', exact: true }).click();
      await page.getByText('Try again in 12 s.').waitFor();
      assert.equal(await newComment(page).inputValue(), 'Do not lose me.');
      assert.deepEqual(await bodies(page), []);

      await page.unroute('**/graphql');
      await page.getByRole('button', { name: 'Comment', exact: true }).click();
      await comment(page, 'Do not lose me.').waitFor();
      assert.equal(await newComment(page).inputValue(), '');
    });

    test('an edit and a deletion appear in the other window', async () => {
      const [ada, bob] = await Promise.all([open(), open()]);
      await signIn(ada, 'Ada');
      await post(ada, 'Teh first version.');
      const seen = comment(bob, 'Teh first version.');
      await seen.waitFor();
      assert.equal(await seen.getByRole('button').count(), 0, 'an anonymous reader reads');

      const hasFocus = (text) => comment(ada, text).and(ada.locator(':focus')).waitFor();
      await comment(ada, 'Teh first version.').getByRole('button', { name: 'Edit' }).click();
      await ada.getByRole('button', { name: 'Cancel' }).click();
      await hasFocus('Teh first version.');
      await comment(ada, 'Teh first version.').getByRole('button', { name: 'Edit' }).click();
      await ada.getByRole('textbox', { name: 'Edit your comment' }).fill('The first version.');
      await ada.getByRole('button', { name: 'Save' }).click();
      await hasFocus('The first version.');
      await comment(bob, 'The first version.').getByText('edited').waitFor();
      await counted(bob, '1 comment').waitFor();
      await reply(ada, 'The first version.', 'The reply.');
      await comment(bob, 'The reply.').waitFor();

      const remove = async (text) => {
        await comment(ada, text).getByRole('button', { name: 'Delete' }).click();
        assert.equal(await ada.locator(':focus').textContent(), 'Keep it');
        await ada.getByRole('button', { name: 'Yes, delete it' }).click();
      };
      await remove('The first version.');
      await hasFocus('This comment was deleted.');
      for (const page of [ada, bob]) {
        await comment(page, 'This comment was deleted.').waitFor();
        await counted(page, '1 comment').waitFor();
        assert.deepEqual(await bodies(page), ['This comment was deleted.', 'The reply.']);
      }
      await remove('The reply.');
      await ada.getByRole('heading', { name: '0 comments' }).and(ada.locator(':focus')).waitFor();
      for (const page of [ada, bob]) {
        await comment(page, 'The reply.').waitFor({ state: 'detached' });
        await counted(page, '0 comments').waitFor();
        assert.equal(await page.getByRole('button', { name: 'more repl' }).count(), 0, 'no reply is to come');
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
      assert.equal(await bob.locator('.typing').textContent(), '', 'nobody is told of himself');
      await newComment(bob).fill('');
      await typing(ada, 'Bob is typing…').waitFor({ state: 'detached' });
      await newComment(bob).pressSequentially('So');
      await typing(ada, 'Bob is typing…').waitFor();
      await post(bob, 'So it is.');
      await typing(ada, 'Bob is typing…').waitFor({ state: 'detached' });

      await bob.context().close();
      await reading(ada, '1 reading').waitFor();
      ada.assertNoComplaints();
    });

    test('a page whose network was down shows each missed change once, and goes on', async () => {
      const edited = await server.createComment({ postId, body: 'To be edited.' }, person('bob'));
      const deleted = await server.createComment({ postId, body: 'To be deleted.' }, person('bob'));
      const answered = await server.createComment({ postId, body: 'To be answered and deleted.' }, person('bob'));
      const page = await openWindow(browser, network.url);
      let heardBefore = 0;
      page.on('websocket', (socket) =>
        socket.on('framereceived', ({ payload }) => (heardBefore += payload.includes('"Before."'))),
      );
      await page.goto(`${network.url}/#/post/${postId}`);
      await comment(page, 'To be edited.').waitFor();
      await isLive(page);
      // This reader's network stays up.
      const bob = await openPost(browser, `http://127.0.0.1:${site.port}`, postId);
      await signIn(bob, 'Bob');
      await post(bob, 'Before.');
      await comment(page, 'Before.').waitFor();
      await reading(bob, '2 reading').waitFor();

      network.goDown();
      await isCutOff(page);
      await reading(bob, '1 reading').waitFor();
      await post(bob, 'Missed.');
      await isAcknowledged(bob, 'Missed.');
      await reply(bob, 'Missed.', 'Missed as well.');
      await isAcknowledged(bob, 'Missed as well.');
      await server.editComment({ id: edited, body: 'Edited.' }, person('bob'));
      await server.createComment({ postId, body: 'Missed too.', parentId: edited }, person('bob'));
      await server.deleteComment(deleted, person('bob'));
      await server.createComment({ postId, body: 'Missed with it.', parentId: answered }, person('bob'));
      await server.deleteComment(answered, person('bob'));
      await comment(bob, 'This comment was deleted.').waitFor();
      network.goUp();

      // The page's reconnect delays have grown meanwhile.
      await comment(page, 'Missed too.').waitFor({ timeout: 60_000 });
      await post(bob, 'After.');
      await comment(page, 'After.').waitFor();
      for (const each of [page, bob]) {
        assert.deepEqual(await bodies(each), [
          'After.',
          'Missed.',
          'Missed as well.',
          'Before.',
          'This comment was deleted.',
          'Missed with it.',
          'Edited.',
          'Missed too.',
        ]);
        assert.equal(await each.getByRole('button', { name: 'more repl' }).count(), 0, 'no reply is to come');
        await counted(each, '7 comments').waitFor();
        await reading(each, '2 reading').waitFor();
      }
      assert.equal(heardBefore, 1, 'the page asked for what came after, and not for all of it again');
      await signIn(page, 'Ada');
      await post(page, 'I am back.');
      assert.equal((await bodies(page))[0], 'I am back.');
    });

    test('a reply that was missed together with its parent is counted once', async () => {
      const page = await open();
      network.goDown();
      await isCutOff(page);
      // The room is empty, so the missed comments come in their latest state from the database.
      const parentId = await server.createComment({ postId, body: 'Missed.' }, person('bob'));
      await server.createComment({ postId, body: 'Missed as well.', parentId }, person('bob'));
      network.goUp();
      await comment(page, 'Missed as well.').waitFor({ timeout: 60_000 });
      assert.equal(await page.getByRole('button', { name: 'more repl' }).count(), 0, 'no reply is to come');
      await counted(page, '2 comments').waitFor();
    });

    test('a page whose cursor has expired is read again, and keeps its drafts', async () => {
      await server.createComment({ postId, body: 'Kept.' }, person('bob'));
      const page = await open();
      await comment(page, 'Kept.').waitFor();
      await signIn(page, 'Ada');
      await newComment(page).fill('A draft.');
      await comment(page, 'Kept.').getByRole('button', { name: 'Reply', exact: true }).click();
      const draftOfReply = page.getByRole('textbox', { name: 'Reply to' });
      await draftOfReply.fill('A reply.');
      const { port } = server;
      await server.stop();
      await promisify(execFile)(process.env.CAUSERIE_BIN, ['restore', '--database-url', database.databaseUrl]);
      server = await startServer({ ...database, port });
      await server.createComment({ postId, body: 'Written since.' }, person('bob'));
      await comment(page, 'Written since.').waitFor({ timeout: 60_000 });
      await isLive(page);
      await server.createComment({ postId, body: 'And now.' }, person('bob'));
      await comment(page, 'And now.').waitFor();
      assert.deepEqual(await bodies(page), ['And now.', 'Written since.', 'Kept.']);
      await counted(page, '3 comments').waitFor();
      assert.equal(await newComment(page).inputValue(), 'A draft.');
      assert.equal(await draftOfReply.inputValue(), 'A reply.');
    });

    test('a reader whose token expires reads on anonymously', async () => {
      const page = await open();
      // Long enough for a slow machine to open the page and write in it.
      const token = server.token({ sub: 'ada', name: 'Ada', exp: Math.floor(Date.now() / 1000) + 12 });
      await reopenAs(page, { token, user: { id: 'ada', name: 'Ada' } });
      await page.locator('.reader').getByText('Ada').waitFor();
      await newComment(page).fill('Begun as Ada.');
      await page.locator('.reader').getByText('Reading anonymously').waitFor({ timeout: 60_000 });
      await isLive(page);
      await server.createComment({ postId, body: 'Still there?' }, person('bob'));
      await comment(page, 'Still there?').waitFor();

      await signIn(page, 'Ada again');
      assert.equal(await newComment(page).inputValue(), 'Begun as Ada.');
    });

    test('a refused token is dropped, and its reader reads on anonymously', async () => {
      await server.createComment({ postId, body: 'Written before.' }, person('bob'));
      const page = await open();
      const token = server.token({ sub: 'ada', name: 'Ada' }, 'the secret of another server');
      await reopenAs(page, { token, user: { id: 'ada', name: 'Ada' } });
      await page.locator('.reader').getByText('Reading anonymously').waitFor();
      await comment(page, 'Written before.').waitFor();
      await isLive(page);
      await signIn(page, 'Ada again');
      await post(page, 'Here I am.');
      await isAcknowledged(page, 'Here I am.');

      await page.goto(network.url);
      await reopenAs(page, { token, user: { id: 'ada', name: 'Ada' } });
      await page.getByRole('link', { name: 'Two windows' }).first().waitFor();
      await page.locator('.reader').getByText('Reading anonymously').waitFor();
    });

    test('a comment whose answer is lost is sent again by itself, and shown once', async () => {
      const page = await open();
      await signIn(page, 'Ada');
      const lost = new Set();
      await page.route('**/graphql', async (route) => {
        const request = route.request().postData();
        if (!sending(route) || lost.has(request)) return route.continue();
        lost.add(request);
        await route.fetch();
        await route.abort();
      });
      await post(page, 'Sent once.');
      await isAcknowledged(page, 'Sent once.');
      await reply(page, 'Sent once.', 'Answered once.');
      await isAcknowledged(page, 'Answered once.');
      assert.equal(await newComment(page).inputValue(), '');
      await counted(page, '2 comments').waitFor();
      assert.deepEqual(await bodies(page), ['Sent once.', 'Answered once.']);
      assert.equal(lost.size, 2);

      const { commentCount } = await server.post(postId);
      assert.equal(commentCount, 2);
    });

    test('a comment that is sent again by itself stays its writer\'s after another has signed in', async () => {
      const page = await open();
      await signIn(page, 'Ada');
      let fail;
      const failing = new Promise((resolve) => (fail = resolve));
      let attempts = 0;
      await page.route('**/graphql', async (route) => {
        if (sending(route) && attempts++ === 0) {
          await failing;
          return route.abort();
        }
        await route.continue();
      });
      await post(page, "Ada's.");
      await page.getByRole('button', { name: 'Sign out' }).click();
      await signIn(page, 'Bob');
      fail();
      await pendingComments(page).waitFor({ state: 'detached' });
      await page.reload();
      await page.getByRole('article', { name: 'Comment by Ada' }).waitFor();
      assert.equal(attempts, 2);
    });

    test('a comment that is sent again after a network failure is stored and shown once', async () => {
      const page = await open();
      await signIn(page, 'Ada');
      let networkIsDown = false;
      await page.route('**/graphql', async (route) => {
        if (sending(route)) {
          await route.fetch();
          networkIsDown = true;
        }
        await (networkIsDown ? route.abort() : route.continue());
      });
      await newComment(page).fill('Sent twice.');
      await page.getByRole('button', { name: 'Comment', exact: true }).click();
      await page.getByText('The server cannot be reached just now.').waitFor();
      assert.equal(await newComment(page).inputValue(), 'Sent twice.');
      assert.deepEqual(await bodies(page), []);

      await page.unroute('**/graphql');
      await page.getByRole('button', { name: 'Comment', exact: true }).click();
      await isAcknowledged(page, 'Sent twice.');
      assert.equal(await newComment(page).inputValue(), '');
      assert.deepEqual(await bodies(page), ['Sent twice.']);
      const { commentCount } = await server.post(postId);
      assert.equal(commentCount, 1);
    });

    test('a refused comment comes back above the text typed meanwhile', async () => {
      const page = await open();
      await signIn(page, 'Ada');
      let refuse;
      const refused = new Promise((resolve) => (refuse = resolve));
      // The server of these tests has no rate limits, so its error is simulated here.
      const tooFast = { message: 'Too many.', extensions: { code: 'RATE_LIMITED', retryAfterMs: 11_200 } };
      await page.route('**/graphql', async (route) => {
        if (!sending(route)) return route.continue();
        await refused;
        await route.fulfill({ json: { data: null, errors: [tooFast] } });
      });
      await newComment(page).fill('The first.');
      await page.getByRole('button', { name: 'Comment', exact: true }).click();
      await pendingComments(page).waitFor();
      await newComment(page).fill('The second.');
      refuse();
      await page.getByText('Try again in 12 s.').waitFor();
      assert.equal(await newComment(page).inputValue(), 'The first.\nThe second.');
      assert.deepEqual(await bodies(page), []);
    });

    test('a reply that is loaded with more replies before its own answer is shown once', async () => {
      const parentId = await server.createComment({ postId, body: 'Ask me.' }, person('bob'));
      const replies = Array.from({ length: 12 }, (_, i) => `Reply number ${i + 1}.`);
      for (const body of replies) await server.createComment({ postId, body, parentId }, person('bob'));
      const page = await open();
      await signIn(page, 'Ada');

      let letThrough;
      const answered = new Promise((resolve) => (letThrough = resolve));
      let taken;
      const committed = new Promise((resolve) => (taken = resolve));
      await page.route('**/graphql', async (route) => {
        if (!sending(route)) return route.continue();
        const response = await route.fetch();
        taken();
        await answered;
        await route.fulfill({ response });
      });
      await reply(page, 'Ask me.', 'My reply.');
      await committed;
      const more = page.waitForResponse((response) => sending(response, 'MoreReplies'));
      await page.getByRole('button', { name: 'Show 2 more replies' }).click();
      await (await more).finished();
      letThrough();
      await isAcknowledged(page, 'My reply.');
      await comment(page, 'Reply number 12.').waitFor();
      assert.deepEqual(await bodies(page), ['Ask me.', ...replies, 'My reply.']);
      await counted(page, '14 comments').waitFor();
      page.assertNoComplaints();
    });

    test('a page that was opened while the network was down loads once it is back', async () => {
      const texts = Array.from({ length: 21 }, (_, i) => `Comment number ${i + 1}.`);
      for (const body of texts) await server.createComment({ postId, body }, person('bob'));
      const page = await openWindow(browser, network.url);
      const cut = () => page.route('**/graphql', (route) => route.abort());
      const mend = () => page.unroute('**/graphql');
      const unreachable = page.getByText('The server cannot be reached just now.');

      await cut();
      await page.goto(`${network.url}/#/post/${postId}`);
      await unreachable.waitFor();
      await mend();
      await page.getByRole('button', { name: 'Try again' }).click();
      await comment(page, 'Comment number 21.').waitFor();
      await isLive(page);

      await cut();
      await page.getByRole('button', { name: 'Older comments' }).click();
      await unreachable.waitFor();
      await mend();
      await page.getByRole('button', { name: 'Older comments' }).click();
      await comment(page, 'Comment number 1.').waitFor();
      await unreachable.waitFor({ state: 'detached' });

      await cut();
      await page.getByRole('link', { name: 'All posts' }).click();
      await unreachable.waitFor();
      await mend();
      await page.getByRole('button', { name: 'Try again' }).click();
      await page.getByRole('heading', { name: 'Posts', level: 1 }).waitFor();
    });

    test('a page that has not connected yet shows that it connects', async () => {
      const page = await openWindow(browser, network.url);
      // A socket whose server sends nothing.
      await page.routeWebSocket('**/graphql', () => {});
      await page.goto(`${network.url}/#/post/${postId}`);
      await page.reload();
      await page.getByRole('status').getByText('Connecting…').waitFor();
    });

    test('older comments and more replies are loaded on request', async () => {
      const texts = Array.from({ length: 23 }, (_, i) => `Comment number ${i + 1}.`);
      let parentId;
      for (const body of texts) parentId = await server.createComment({ postId, body }, person('bob'));
      const replies = Array.from({ length: 12 }, (_, i) => `Reply number ${i + 1}.`);
      for (const body of replies) await server.createComment({ postId, body, parentId }, person('bob'));
      const page = await open();
      await counted(page, '35 comments').waitFor();

      await server.createComment({ postId, body: 'A late reply.', parentId }, person('bob'));
      await comment(page, 'A late reply.').waitFor();
      await page.getByRole('button', { name: 'Show 2 more replies' }).click();
      await comment(page, 'Reply number 12.').waitFor();
      await page.getByRole('button', { name: 'Older comments' }).click();
      await comment(page, 'Comment number 1.').waitFor();
      const [last, ...others] = texts.toReversed();
      assert.deepEqual(await bodies(page), [last, ...replies, 'A late reply.', ...others]);
      assert.equal(await page.getByRole('button', { name: 'Older comments' }).count(), 0);
      page.assertNoComplaints();
    });

    test('a deep thread is opened level by level', async () => {
      let parentId;
      for (let level = 0; level < 5; level++)
        parentId = await server.createComment({ postId, parentId, body: `Level ${level}` }, person('bob'));
      const page = await open();
      for (let level = 2; level < 5; level++) {
        await page.getByRole('button', { name: 'Show 1 more reply' }).click();
        await comment(page, `Level ${level}`).waitFor();
      }
      await server.createComment({ postId, parentId, body: 'Level 5' }, person('bob'));
      await comment(page, 'Level 5').waitFor();
      page.assertNoComplaints();
    });

    test('nothing is wider than the screen of a phone', async () => {
      let parentId;
      for (let level = 0; level < 2; level++) {
        const body = `Level ${level}: ${'unbreakable'.repeat(30)}`;
        parentId = await server.createComment({ postId, parentId, body }, person('A rather long name'));
      }
      const page = await open({ viewport: { width: 375, height: 800 } });
      const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      await signIn(page, 'Another reader with a rather long name, as some readers have');
      await page.getByText('Level 1').waitFor();
      assert.equal(await overflow(), 0, 'the post');
      await page.getByRole('link', { name: 'All posts' }).click();
      await page.getByRole('heading', { name: 'Posts', level: 1 }).waitFor();
      assert.equal(await overflow(), 0, 'the list of posts');
    });

    test('a missing post shows an error page', async () => {
      const page = await openWindow(browser, `${network.url}/#/post/no-such-post`);
      await page.getByRole('heading', { name: 'There is no such post' }).waitFor();
      page.assertNoComplaints();
    });

    describe('moderated', () => {
      let database, server, site, network, postId;
      before(async () => {
        database = await keptDatabase();
        server = await startServer({ ...database, env: { MODERATION: 'all' } });
        site = await serveBuilt(example, server);
        network = await startNetwork(site.port);
      });
      beforeEach(async () => (postId = await server.createPost('Moderated')));
      after(async () => {
        network?.stop();
        await site?.stop();
        await server?.stop();
        await database?.remove();
      });

      const open = () => openPost(browser, network.url, postId);
      const publish = (body, parentId) => server.createComment({ postId, body, parentId }, server.moderator());
      const waits = (page, text) => mark(page, text, 'Waits for a moderator').waitFor();
      const isGone = (page, text) => comment(page, text).waitFor({ state: 'detached' });

      /** Asserts that the windows show exactly what a query answers. */
      async function agree(pages, expected) {
        assert.deepEqual(await server.comments(postId), expected);
        for (const page of pages) {
          await counted(page, `${expected.length} comments`).waitFor();
          assert.deepEqual(await bodies(page), expected);
          assert.equal(await page.locator('.mark').count(), 0);
          page.assertNoComplaints();
        }
      }

      test('a comment that waits is its author\'s until it is approved', async () => {
        await publish('Before.');
        const [ada, bob] = await Promise.all([open(), open()]);
        await signIn(ada, 'Ada');
        await post(ada, 'Let me in.');
        await waits(ada, 'Let me in.');
        await publish('Meanwhile.');
        await Promise.all([ada, bob].map((page) => comment(page, 'Meanwhile.').waitFor()));
        assert.deepEqual(await bodies(bob), ['Meanwhile.', 'Before.']);
        await counted(ada, '2 comments').waitFor();

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
        await counted(ada, '3 comments').waitFor();
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
        await publish('Another.');
        await comment(page, 'Another.').waitFor();
        await page.reload();
        await waits(page, 'I do.');
        assert.deepEqual(await bodies(page), ['Another.', 'Answer me.', 'I do.']);
        assert.equal(await page.getByRole('button', { name: 'more repl' }).count(), 0);
        await isLive(page);

        await server.approve(await server.pendingComment(postId));
        await mark(page, 'I do.', 'Waits for a moderator').waitFor({ state: 'detached' });
        await comment(page, 'I do.').getByRole('button', { name: 'Reply' }).waitFor();
        assert.deepEqual(await bodies(page), ['Another.', 'Answer me.', 'I do.']);
        await counted(page, '3 comments').waitFor();
      });

      test('a held edit shows its text to its author only', async () => {
        const page = await open();
        const bob = await open();
        await signIn(page, 'Ada');
        await post(page, 'The first version.');
        await waits(page, 'The first version.');
        const id = await server.pendingComment(postId);
        await server.approve(id);
        await comment(bob, 'The first version.').waitFor();
        await publish('An answer.', id);
        await comment(page, 'An answer.').waitFor();
        // Another tab of the same reader.
        const tab = await open();
        await reopenAs(tab, JSON.parse(await page.evaluate(() => sessionStorage.getItem('causerie-session'))));
        await comment(tab, 'The first version.').waitFor();
        await isLive(tab);

        await comment(page, 'The first version.').getByRole('button', { name: 'Edit' }).click();
        await page.getByRole('textbox', { name: 'Edit your comment' }).fill('The second version.');
        await page.getByRole('button', { name: 'Save' }).click();
        await comment(bob, 'This comment was deleted.').waitFor();
        for (const each of [page, tab]) {
          await waits(each, 'The second version.');
          assert.deepEqual(await bodies(each), ['The second version.', 'An answer.']);
          await counted(each, '1 comment').waitFor();
        }
        await page.reload();
        await waits(page, 'The second version.');
        assert.deepEqual(await bodies(page), ['The second version.', 'An answer.']);
        await isLive(page);

        await server.approve(id);
        await comment(bob, 'The second version.').waitFor();
        for (const each of [page, tab, bob]) {
          await mark(each, 'The second version.', 'Waits for a moderator').waitFor({ state: 'detached' });
          assert.deepEqual(await bodies(each), ['The second version.', 'An answer.']);
          await counted(each, '2 comments').waitFor();
          each.assertNoComplaints();
        }
      });

      test('a comment that waits is gone once its author deletes it', async () => {
        const page = await open();
        await signIn(page, 'Ada');
        await post(page, 'Never mind.');
        await waits(page, 'Never mind.');
        await comment(page, 'Never mind.').getByRole('button', { name: 'Delete' }).click();
        await page.getByRole('button', { name: 'Yes, delete it' }).click();
        await isGone(page, 'Never mind.');
        await page.getByRole('heading', { name: '0 comments' }).and(page.locator(':focus')).waitFor();
        await page.reload();
        await newComment(page).waitFor();
        await isLive(page);
        assert.deepEqual(await bodies(page), []);
        page.assertNoComplaints();
      });

      test('an approval that overtakes its answer leaves no mark', async () => {
        const page = await open();
        await signIn(page, 'Ada');
        const added = new Promise((resolve) => {
          page.on('websocket', (socket) =>
            socket.on('framereceived', ({ payload }) => payload.includes('"Quick."') && resolve()),
          );
        });
        await page.reload();
        await isLive(page);
        await page.route('**/graphql', async (route) => {
          if (!sending(route)) return route.continue();
          const response = await route.fetch();
          await server.approve(await server.pendingComment(postId));
          await added;
          await route.fulfill({ response });
        });
        await newComment(page).fill('Quick.');
        await page.getByRole('button', { name: 'Comment', exact: true }).click();
        await pendingComments(page).waitFor();
        await pendingComments(page).waitFor({ state: 'detached' });
        await isAcknowledged(page, 'Quick.');
        assert.deepEqual(await bodies(page), ['Quick.']);
        assert.equal(await page.locator('.mark').count(), 0);
        await counted(page, '1 comment').waitFor();
      });

      test('unpublished comments leave with their author', async () => {
        const page = await open();
        await signIn(page, 'Ada');
        await post(page, 'For my eyes.');
        await waits(page, 'For my eyes.');
        await page.getByRole('button', { name: 'Sign out' }).click();
        await isGone(page, 'For my eyes.');
        await signIn(page, 'Bob');
        assert.deepEqual(await bodies(page), []);
      });

      test('a closed post takes no comments, and keeps a draft', async () => {
        await publish('Before.');
        await publish('Another.');
        const page = await open();
        await signIn(page, 'Ada');
        await newComment(page).fill('A draft.');
        const closed = page.getByText('Comments are closed.', { exact: true });
        assert.equal(await closed.count(), 0);

        await server.setOpen(postId, false);
        await closed.waitFor();
        await newComment(page).waitFor({ state: 'hidden' });
        assert.equal(await page.getByRole('button', { name: 'Reply', exact: true }).count(), 0);
        const another = await open();
        await another.getByText('Comments are closed.', { exact: true }).waitFor();
        assert.equal(await newComment(another).isVisible(), false);

        // What happens while a page is away is not replayed.
        network.goDown();
        await isCutOff(page);
        await server.setOpen(postId, true);
        network.goUp();
        await closed.waitFor({ state: 'detached', timeout: 60_000 });
        assert.equal(await newComment(page).inputValue(), 'A draft.');
      });
    });
  });
}
