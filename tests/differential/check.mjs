// Runs one case: asks the server over each transport, asks the reference, and compares.

import { differences, stageOf } from './compare.mjs';
import { stagesAllowed } from './expected.mjs';
import { answer } from './reference.mjs';
import { EXECUTION, LIMITS } from './stages.mjs';

/**
 * Runs a case over every transport. Returns a report of what differs, and its kind, which is the same for faults of
 * one cause; both are undefined if nothing differs.
 *
 * A case is `{ query, variables, operationName, stage, isPlaced, view }`, in which `<POST>` and the other names of a
 * fixture stand for ids.
 */
export async function check(fixtures, test) {
  const isWriting = /mutation|subscription/.test(test.query);
  const checking = fixtures.ways().map(async (way) => {
    const { place, transport } = await way(isWriting);
    return { transport, ...(await checkOver(transport, place, test)) };
  });
  const differing = (await Promise.all(checking)).filter(({ found }) => found.length > 0);
  if (differing.length === 0) return {};
  return {
    kind: differing[0].found[0].replace(/[[{":].*/, ''),
    report: differing.map((way) => `Over ${way.transport.name}: ${describe(way)}`).join('\n'),
  };
}

async function checkOver(transport, place, test) {
  const request = requestOf(test, place.names);
  const asking = transport.send(request);
  if (request.query.includes('subscription')) await place.stimulate(asking);
  const answered = await asking;
  const { context, stored } = await place.conclude();
  const reference = await answer(request, context);
  const [expected, actual] = [reference, answered].map((seen) => ({
    ...seen,
    data: test.view?.(seen.data) ?? seen.data,
  }));

  const found = differences(request.query, stagesAllowed(test, expected), expected, actual);
  if (![undefined, LIMITS, expected.stage].includes(test.stage)) {
    found.push(`the table says ${test.stage}, and graphql-js ${expected.stage}`);
  }
  const isRefused = !actual.fault && stageOf(actual) !== EXECUTION;
  if (isRefused) found.push(...(await instability(transport, request, answered)));
  if (test.isPlaced) found.push(...misplaced(expected, actual));
  const [onServer, inWorld] = stored().map((posts) => JSON.stringify(posts));
  if (onServer !== inWorld) found.push(`stored ${onServer}, and should have ${inWorld}`);
  return { found, request, expected, actual };
}

/** Asks again: a refusal must be the same each time, so that snapshots of it are stable. */
async function instability(transport, request, refusal) {
  const again = await transport.send(request);
  return JSON.stringify(again) === JSON.stringify(refusal)
    ? []
    : [`refused otherwise: ${JSON.stringify(again)}`];
}

/** Compares the location of the first error with the reference's. */
function misplaced({ errors: [wanted] }, { errors: [given] = [] }) {
  const [place, found] = [wanted, given].map((error) =>
    error?.locations?.map(({ line, column }) => `${line}:${column}`).join(', '),
  );
  return place === found ? [] : [`the error is at ${found}, and should be at ${place}`];
}

function requestOf({ query, variables, operationName }, names) {
  const fill = (text) => text.replace(/<([A-Z]+)>/g, (whole, name) => names[name] ?? whole);
  return {
    query: fill(query),
    variables: variables && JSON.parse(fill(JSON.stringify(variables))),
    operationName,
  };
}

function describe({ found, request: { query, variables, operationName }, expected, actual }) {
  const { stage, data, errors = [] } = expected;
  const reference = { stage, data, errors: errors.map(({ message, path }) => ({ message, path })) };
  return [
    ...found,
    `document: ${short(query)}`,
    `variables: ${JSON.stringify(variables)}, operationName: ${operationName}`,
    `graphql-js: ${short(JSON.stringify(reference))}`,
    `Causerie: ${short(JSON.stringify(actual))}`,
  ].join('\n  ');
}

const SHOWN = 3_000;
const short = (text) => (text.length > SHOWN ? `${text.slice(0, SHOWN)}… (${text.length} characters)` : text);
