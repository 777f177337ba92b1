// Debian's Chromium, and pages in it that keep account of what goes wrong in them.

import assert from 'node:assert/strict';

import { chromium } from 'playwright-core';

/** Without these, Chromium looks for its sandbox, a GPU and its maker's servers. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export function launch() {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  return chromium.launch({ executablePath, headless: true, args: FLAGS });
}

/** A page in a window of its own: nothing that another page keeps is seen in it. */
export async function openWindow(browser, url, options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(error.stack));
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  await page.goto(url);
  return Object.assign(page, {
    assertNoComplaints: () => assert.deepEqual(complaints, [], 'the console has no errors'),
  });
}
