// Generated documents: by default 1,000, of which half are changed so that most of them break a rule.
//
//   CASES=5000 SEED=7 node --test generated.test.mjs
//   node generated.test.mjs --cases 5000 --seed 7
//   node generated.test.mjs --seed 7 --case 123       one case, made smaller

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parseArgs } from 'node:util';

import { check } from './check.mjs';
import { Fixtures } from './fixture.mjs';
import { caseOf } from './generator/request.mjs';
import { shrink } from './shrink.mjs';

const text = { type: 'string' };
const { values } = parseArgs({ options: { cases: text, seed: text, case: text }, strict: false });
const seed = Number(values.seed ?? process.env.SEED ?? 1);
const count = Number(values.cases ?? process.env.CASES ?? 1_000);
const only = values.case ?? process.env.CASE;
/** Failures that are shown whole. */
const SHOWN = 5;
/** Cases that wait for the server at the same time. */
const AT_ONCE = 4;

let fixtures;
before(async () => (fixtures = await Fixtures.start()));
after(() => fixtures?.stop());

if (only === undefined) {
  test(`${count} generated cases of seed ${seed}`, async () => {
    const failures = [];
    let next = 0;
    const work = async () => {
      while (next < count) {
        const number = next++;
        const { report } = await check(fixtures, caseOf(seed, number));
        if (report) failures.push(`Seed ${seed}, case ${number}. ${report}`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    assert.equal(
      failures.length,
      0,
      `${failures.length} of ${count} fail:\n${failures.slice(0, SHOWN).join('\n\n')}`,
    );
  });
} else {
  test(`case ${only} of seed ${seed}`, async () => {
    const request = caseOf(seed, Number(only));
    const { report } = await check(fixtures, request);
    if (!report) return;
    const smallest = await shrink(request, async (candidate) => (await check(fixtures, candidate)).kind);
    assert.fail(`${report}\n\nSmaller: ${(await check(fixtures, smallest)).report}`);
  });
}
