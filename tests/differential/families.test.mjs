// Every family of hand-written cases, one test a case.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';

import { check } from './check.mjs';
import { Fixtures } from './fixture.mjs';

let fixtures;
before(async () => (fixtures = await Fixtures.start()));
after(() => fixtures?.stop());

/** Cases that wait for the server at the same time. */
const AT_ONCE = 4;

const folder = new URL('families/', import.meta.url);
for (const file of (await readdir(folder)).sort()) {
  const { default: families } = await import(new URL(file, folder));
  for (const [title, cases] of Object.entries(families)) {
    describe(title, { concurrency: AT_ONCE }, () => {
      for (const entry of cases) {
        test(entry.title, async () => {
          const { report } = await check(fixtures, entry);
          if (report) assert.fail(report);
        });
      }
    });
  }
}
