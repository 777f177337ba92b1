// Runs one case: asks the server over each transport, asks the reference, and compares.

import { differences, stageOf } from './compare.mjs';
import { stagesAllowed } from './expected.mjs';
import { answer } from './reference.mjs';
import { EXECUTION, LIMITS } from './stages.mjs';

/**
 * Returns the differences over all transports as readable text; undefined if there are none. A case is
 * `{ query, variables, operationName, stage, isPlaced, view }`, in which `<POST>` and other names of a fixture stand for ids.
 */
export async function check(fixtures, test) {
  const found = [];
  for (const way of fixtures.ways()) {
    const { place, transport } = await way(/mutation|subscription/.test(test.query));
    const report = await checkOver(transport, place, test);
    if (report) found.push(`Over ${transport.name}: ${report}`);
  }
  return found.length === 0 ? undefined : found.join('\n');
}

async function checkOver(transport, place, test) {
  const request = requestOf(test, place.names);
  const asking = transport.send(request);
  if (request.query.includes('subscription')) await place.stimulate(asking);
  const actual = await asking;
  const { context, stored } = await place.conclude();
  const expected = await answer(request, context);

  const seen = test.view ? [expected, actual].map((seen) => ({ ...seen, data: test.view(seen.data) })) : [expected, actual];
  const found = differences(request.query, stagesAllowed(test, expected), ...seen);
  if (![undefined, LIMITS, expected.stage].includes(test.stage)) {
    found.push(`the table says ${test.stage}, and graphql-js ${expected.stage}`);
  }
  if (!actual.fault && stageOf(actual) !== EXECUTION) found.push(...(await instability(transport, request, actual)));
  if (test.isPlaced) found.push(...misplaced(expected, actual));
  const [onServer, inWorld] = stored();
  if (JSON.stringify(onServer) !== JSON.stringify(inWorld)) {
    found.push(`stored ${JSON.stringify(onServer)}, and should have ${JSON.stringify(inWorld)}`);
  }
  return found.length === 0 ? undefined : describe(found, request, seen);
}

/** A refusal must be the same when it is asked for again, so that snapshots of it are stable. */
async function instability(transport, request, refusal) {
  const again = await transport.send(request);
  return JSON.stringify(again) === JSON.stringify(refusal) ? [] : [`refused otherwise: ${JSON.stringify(again)}`];
}

/** The first error must be where the reference has it. */
function misplaced({ errors: [wanted] }, { errors: [given] = [] }) {
  const [place, found] = [wanted, given].map((error) => JSON.stringify(error?.locations));
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

function describe(found, { query, variables, operationName }, [expected, actual]) {
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
