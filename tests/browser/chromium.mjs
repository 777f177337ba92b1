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
  const assertNoComplaints = await watch(page);
  await page.goto(url);
  return Object.assign(page, { assertNoComplaints });
}

/**
 * Keeps account of what goes wrong in a page from now on: errors, and breaches of its
 * Content-Security-Policy, which the browser reports to the page before it writes them to its console.
 * Returns what asserts that there was nothing.
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
