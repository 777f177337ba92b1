// The security policies of the pages are in force. The tests of each page fail on any violation, and so show
// that the page works under its policy.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startServer } from '../support/server.mjs';
import { launch, openWindow } from './chromium.mjs';

let browser, server;
before(async () => ([browser, server] = await Promise.all([launch(), startServer()])));
after(() => Promise.all([browser.close(), server.stop()]));

/** Runs `doing` in a page, and returns the directives of its policy that this violates. */
function breaches(page, doing) {
  return page.evaluate(`new Promise((resolve) => {
    const broken = [];
    document.addEventListener('securitypolicyviolation', (event) => {
      broken.push(event.effectiveDirective);
      // Another violation would be reported in the same turn.
      setTimeout(() => resolve(broken));
    });
    (${doing})();
  })`);
}

const INLINE_SCRIPT = () => {
  const script = document.createElement('script');
  script.textContent = 'document.title = "broken"';
  document.body.append(script);
};
const FOREIGN_SCRIPT = () => {
  const script = document.createElement('script');
  script.src = 'https://evil.example/x.js';
  document.body.append(script);
};
const HANDLER = () => {
  const image = document.createElement('img');
  image.setAttribute('onclick', 'document.title = "broken"');
  image.click();
};
const ELSEWHERE = () => void fetch('https://evil.example/').catch(() => {});
const FORM = () => {
  const form = Object.assign(document.createElement('form'), { action: 'https://evil.example/' });
  document.body.append(form);
  form.submit();
};

for (const path of ['/graphiql', '/']) {
  const open = async () => {
    const page = await openWindow(browser, 'about:blank');
    await page.route(/^https:/, (route) => route.abort());
    await page.goto(`${server.url}${path}`);
    return page;
  };
  for (const [what, doing, rule] of [
    ['no request goes to another site', ELSEWHERE, 'connect-src'],
    ['no form is submitted to another site', FORM, 'form-action'],
  ]) {
    test(`${path}: ${what}`, async () => {
      assert.deepEqual(await breaches(await open(), doing), [rule]);
    });
  }
  test(`${path}: only the page's own scripts run`, async () => {
    for (const doing of [INLINE_SCRIPT, FOREIGN_SCRIPT, HANDLER]) {
      const page = await open();
      // In the demo, trusted types already forbid the text of the script.
      const tried = `() => { try { (${doing})(); } catch {} }`;
      for (const rule of await breaches(page, tried)) assert.match(rule, /^(script-src|require-trusted)/);
      assert.notEqual(await page.title(), 'broken');
    }
  });
}

test('a page of another origin neither frames nor reads this one', async () => {
  const page = await openWindow(browser, 'about:blank');
  await page.route('https://other.example/', (route) =>
    route.fulfill({ contentType: 'text/html', body: '<title>other</title>' }),
  );
  await page.goto('https://other.example/');
  const query = `${server.url}/graphql?query={__typename}`;
  const read = (mode) =>
    page.evaluate(
      ([query, mode]) => fetch(query, { mode }).then((answer) => answer.text(), (error) => error.name),
      [query, mode],
    );
  assert.equal(await read('cors'), 'TypeError');
  assert.equal(await read('no-cors'), 'TypeError', 'not even as something opaque');
  const opened = await page.evaluate(
    (url) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url, 'graphql-transport-ws');
        socket.onopen = () => resolve('open');
        socket.onerror = () => resolve('refused');
      }),
    server.socketUrl,
  );
  assert.equal(opened, 'refused');
});
