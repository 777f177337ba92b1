// The demo page as its reader sees it: locators, and a reader's actions.

import { openWindow } from './chromium.mjs';

/** Opens a post in its own window, and waits until its reader is in the room. */
export async function openPost(browser, server, postId, options) {
  const page = await openWindow(browser, `${server.url}/#/post/${encodeURIComponent(postId)}`, options);
  await isLive(page);
  return page;
}

export const isLive = (page) => page.getByTestId('connection').getByText('Live').waitFor();
export const reading = (page, text) => page.getByTestId('reading').getByText(text, { exact: true });
export const typing = (page, text) => page.getByTestId('typing').getByText(text, { exact: true });

/** Locates the comments with this text, without their replies. */
export const comment = (page, text) =>
  page
    .locator('[data-testid=comment] > article')
    .filter({ has: page.getByTestId('body').getByText(text, { exact: true }) });

/** Locates the mark of a comment that others do not see. */
export const mark = (page, text, words) => comment(page, text).getByTestId('mark').getByText(words, { exact: true });

/** Returns the texts of all shown comments, from top to bottom. */
export const bodies = (page) => page.getByTestId('body').allTextContents();

export async function signIn(page, name) {
  await page.getByRole('button', { name: 'Write a comment' }).click();
  await giveName(page, name);
}

/** Answers the name prompt, and waits for the connection under that name. */
export async function giveName(page, name) {
  const prompt = page.getByRole('dialog');
  await prompt.getByLabel('Your name').fill(name);
  await prompt.getByRole('button', { name: 'Continue' }).click();
  await page.getByTestId('reader').getByText(name, { exact: true }).waitFor();
}

export const newComment = (page) => page.getByRole('textbox', { name: 'Write a comment' });

export async function post(page, text) {
  await newComment(page).fill(text);
  await page.getByRole('button', { name: 'Comment', exact: true }).click();
  await comment(page, text).waitFor();
}

export async function reply(page, to, text) {
  await comment(page, to).getByRole('button', { name: 'Reply' }).click();
  await page.getByRole('textbox', { name: 'Reply to' }).fill(text);
  await page.getByTestId('composer').getByRole('button', { name: 'Reply' }).click();
  await comment(page, text).waitFor();
}
