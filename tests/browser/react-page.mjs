// The pages of examples/react-*: building and serving, locators, and a reader's actions. The examples are
// different programs with the same page.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { HANGS_AFTER, within } from '../support/within.mjs';
import { openWindow } from './chromium.mjs';

const BUILDS_WITHIN = 5 * HANGS_AFTER;

const folderOf = (name) => fileURLToPath(new URL(`../../examples/${name}/`, import.meta.url));

/** Builds the example as its README says, and serves it with the API of `server`. */
export async function serveExample(name, server) {
  const cwd = folderOf(name);
  await access(`${cwd}node_modules`).catch(() => assert.fail(`run: npm --prefix examples/${name} ci`));
  const building = promisify(execFile)('npm', ['run', 'build'], { cwd });
  await within(
    building.catch(({ stdout, stderr }) => assert.fail(stdout + stderr)),
    `${name} is built`,
    BUILDS_WITHIN,
  );
  return serveBuilt(name, server);
}

/** Serves the example, which is built, with the API of `server`. */
export async function serveBuilt(name, server) {
  const cwd = folderOf(name);
  const vite = spawn(process.execPath, ['node_modules/vite/bin/vite.js', 'preview', '--host', '127.0.0.1'], {
    cwd,
    env: { ...process.env, CAUSERIE_URL: server.url, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let complaints = ''; // About connections that tests break on purpose.
  vite.stderr.on('data', (chunk) => (complaints += chunk));
  const ended = once(vite, 'exit');
  const announced = (async () => {
    let said = '';
    for await (const chunk of vite.stdout) {
      said += chunk;
      const [, port] = said.match(/http:\/\/127\.0\.0\.1:(\d+)/) ?? [];
      if (port) return Number(port);
    }
    return assert.fail(`vite ended, and said: ${said}${complaints}`);
  })();
  const port = await within(announced, `${name} is served`);
  vite.stdout.resume();
  return {
    port,
    stop: () => (vite.kill('SIGTERM'), ended),
  };
}

/** Opens a post in its own window, and waits until its reader is in the room. */
export async function openPost(browser, url, postId, options) {
  const page = await openWindow(browser, `${url}/#/post/${encodeURIComponent(postId)}`, options);
  await isLive(page);
  return page;
}

export const isLive = (page) => page.getByRole('status').getByText('Live').waitFor();
export const isCutOff = (page) => page.getByRole('status').getByText('Reconnecting…').waitFor();
export const reading = (page, text) => page.locator('.readers').getByText(text, { exact: true });
export const typing = (page, text) => page.locator('.typing').getByText(text, { exact: true });
export const counted = (page, text) => page.getByRole('heading', { name: text, level: 2, exact: true });

/** Locates the comments with this text, without their replies. */
export const comment = (page, text) =>
  page
    .getByRole('article', { name: 'Comment by' })
    .filter({ has: page.locator('.body').getByText(text, { exact: true }) });

/** Returns the texts of all shown comments, from top to bottom. */
export const bodies = (page) => page.locator('.body').allTextContents();

/** Locates the mark of a comment that others do not see. */
export const mark = (page, text, words) => comment(page, text).locator('.mark').getByText(words, { exact: true });

/** Locates the comments that the server has not acknowledged yet. */
export const pendingComments = (page) => page.locator('.sending');

/** Waits until the server has acknowledged the comment with this text: then it can be replied to. */
export const isAcknowledged = (page, text) =>
  comment(page, text).getByRole('button', { name: 'Reply', exact: true }).waitFor();

/** Returns true if a route's or a response's request is for this operation. */
export const sending = (event, operation = 'CreateComment') =>
  event.request().postData()?.includes(`${operation}(`) ?? false;

/** Reloads the page as a reader who signed in before in this window. */
export async function reopenAs(page, session) {
  await page.evaluate((kept) => sessionStorage.setItem('causerie-session', kept), JSON.stringify(session));
  await page.reload();
}

export const newComment = (page) => page.getByRole('textbox', { name: 'Write a comment' });

export async function signIn(page, name) {
  await page.getByLabel('To write, choose a name').fill(name);
  await page.getByRole('button', { name: 'Join the conversation' }).click();
  await page.locator('.reader').getByText(name, { exact: true }).waitFor();
  await newComment(page).waitFor();
  await isLive(page);
}

export async function post(page, text) {
  await newComment(page).fill(text);
  await page.getByRole('button', { name: 'Comment', exact: true }).click();
  await comment(page, text).waitFor();
}

export async function reply(page, to, text) {
  await comment(page, to).getByRole('button', { name: 'Reply', exact: true }).click();
  await page.getByRole('textbox', { name: 'Reply to' }).fill(text);
  await page.locator('form').getByRole('button', { name: 'Reply', exact: true }).click();
  await comment(page, text).waitFor();
}
