// The bounds of docs/limits.md on a request, and what is just within them.

import { tooLarge, valid } from '../cases.mjs';

const fields = (count) => `{ me { ${Array.from({ length: count }, (_, number) => `a${number}: id`).join(' ')} } }`;
const fragments = (depth, query = '{ me { id } }') => '... { '.repeat(depth) + query.slice(1, -1) + ' }'.repeat(depth);
const lists = (first) => `{ posts(first: ${first}) { nodes { comments(first: ${first}) { nodes { replies(first: ${first}) { nodes { id } } } } } } }`;
const doubling = (count) =>
  Array.from({ length: count }, (_, number) => ` fragment F${number} on Query { ...F${number + 1} ...F${number + 1} }`).join('');

export default {
  'The size of a document': [
    valid('60 KiB', `{ me { id } } #${'x'.repeat(60 * 1024)}`),
    tooLarge('65 KiB', `{ me { id } } #${'x'.repeat(65 * 1024)}`),
    tooLarge('16 KiB of a subscription', `subscription { viewerCount(postId: "<POST>") } #${'x'.repeat(16 * 1024)}`),
    valid('1,500 tokens', fields(490)),
    tooLarge('2,100 tokens', fields(700)),
    valid('28 selections within one another', `{ ${fragments(27)} }`),
    tooLarge('40 selections within one another', `{ ${fragments(40)} }`),
    tooLarge('70 brackets within one another', `{ posts(first: ${'['.repeat(70)}1${']'.repeat(70)}) { nodes { id } } }`),
    tooLarge('fragments that double', `{ ...F0 }${doubling(20)} fragment F20 on Query { me { id } }`),
  ],
  'The cost of an operation': [
    valid('lists of 10', lists(10)),
    tooLarge('lists of 100', lists(100)),
    tooLarge('lists of 100 by a variable', `query ($n: Int) ${lists('$n')}`, { n: 100 }),
    tooLarge('lists of 100 by a default', `query ($n: Int = 100) ${lists('$n')}`),
  ],
};
