// Debian's Chromium, with pages that record their errors.

import assert from 'node:assert/strict';

import { chromium } from 'playwright-core';

/** Without these flags, Chromium needs its sandbox, a GPU and its vendor's servers. */
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

/** Opens a page in its own browser context, which shares no storage with other pages. */
export async function openWindow(browser, url, options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  const assertNoComplaints = await watch(page);
  await page.goto(url);
  return Object.assign(page, { assertNoComplaints });
}

/**
 * Records a page's errors from now on, and the violations of its Content-Security-Policy, which the
 * browser reports to the page before it writes them to its console. Returns a function that asserts
 * that there were none.
 */
export async function watch(page) {
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(error.stack));
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  await page.exposeFunction('reportBreach', (breach) => complaints.push(breach));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) => {
      window.reportBreach(`${effectiveDirective} forbids ${blockedURI}`);
    });
  });
  return () => assert.deepEqual(complaints, [], 'the console has no errors');
}
