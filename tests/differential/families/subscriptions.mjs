// Section 5.2.4, and section 6.2.3: the one root field of a subscription, and its first event.

import { invalid, unopened, valid } from '../cases.mjs';

const COMMENT = '{ id postId parentId body cursor createdAt editedAt isDeleted replyCount author { id name avatar } }';
const ADDED = `commentAdded(postId: "<POST>", after: "<CURSOR>")`;

export default {
  '5.2.4.1 Single Root Field': [
    valid('one field', 'subscription { viewerCount(postId: "<POST>") }'),
    invalid('two fields', 'subscription { viewerCount(postId: "<POST>") typing(postId: "<POST>") { isTyping } }'),
    invalid('one field under two aliases', 'subscription { a: viewerCount(postId: "<POST>") b: viewerCount(postId: "<POST>") }'),
    invalid('a field and one in a fragment', 'subscription { viewerCount(postId: "<POST>") ...F } fragment F on Subscription { typing(postId: "<POST>") { isTyping } }'),
    invalid('a field and one in an inline fragment', 'subscription { viewerCount(postId: "<POST>") ... { typing(postId: "<POST>") { isTyping } } }'),
    invalid('two fields in a fragment in a fragment', 'subscription { ...A } fragment A on Subscription { ...B } fragment B on Subscription { a: viewerCount(postId: "<POST>") b: viewerCount(postId: "<POST>") }'),
    invalid('__typename', 'subscription { __typename }'),
    invalid('__typename under an alias', 'subscription { a: __typename }'),
    invalid('__typename beside a field', 'subscription { viewerCount(postId: "<POST>") __typename }'),
    invalid('__typename in a fragment', 'subscription { ...F } fragment F on Subscription { __typename }'),
    invalid('__schema', 'subscription { __schema { description } }'),
    invalid('__type', 'subscription { __type(name: "Post") { name } }'),
    invalid('an operation that is not meant, with two fields', 'subscription A { viewerCount(postId: "<POST>") } subscription B { a: viewerCount(postId: "<POST>") b: viewerCount(postId: "<POST>") }', undefined, { operationName: 'A' }),
    invalid('two fields, where a query is meant', 'query A { me { id } } subscription B { a: viewerCount(postId: "<POST>") b: viewerCount(postId: "<POST>") }', undefined, { operationName: 'A' }),
    valid('a fragment of which one operation uses another part', 'subscription A { viewerCount(postId: "<POST>") } query B { ...F } fragment F on Query { a: me { id } b: me { id } }', undefined, { operationName: 'A' }),
  ],

  'The root field several times': [
    valid('the same field twice', 'subscription { viewerCount(postId: "<POST>") viewerCount(postId: "<POST>") }'),
    valid('the same alias twice', 'subscription { a: viewerCount(postId: "<POST>") a: viewerCount(postId: "<POST>") }'),
    valid('in two fragments with different selections', `subscription { ...A ...B } fragment A on Subscription { ${ADDED} { id author { id } } } fragment B on Subscription { ${ADDED} { body author { name } } }`),
    valid('beside a fragment', `subscription { ${ADDED} { id } ...A } fragment A on Subscription { ${ADDED} { body } }`),
    valid('in one fragment that is spread twice', `subscription { ...A ...A } fragment A on Subscription { ${ADDED} { id } }`),
    invalid('with arguments that differ', 'subscription { viewerCount(postId: "<POST>") viewerCount(postId: "<NEW>") }'),
    invalid('with selections that conflict', `subscription { ${ADDED} { a: id } ${ADDED} { a: body } }`),
    valid('two subscriptions that share a fragment', 'subscription A { ...F } subscription B { ...F } fragment F on Subscription { viewerCount(postId: "<POST>") }', undefined, { operationName: 'B' }),
  ],

  'Fragments at the root of a subscription': [
    valid('a fragment', 'subscription { ...F } fragment F on Subscription { viewerCount(postId: "<POST>") }'),
    valid('a fragment in a fragment', 'subscription { ...F } fragment F on Subscription { ...G } fragment G on Subscription { viewerCount(postId: "<POST>") }'),
    valid('an inline fragment', 'subscription { ... on Subscription { viewerCount(postId: "<POST>") } }'),
    valid('an inline fragment without a type', 'subscription { ... { viewerCount(postId: "<POST>") } }'),
    invalid('an inline fragment of another type', 'subscription { ... on Post { viewerCount } }'),
    invalid('an inline fragment of another type around the root field', 'subscription { ... on Post { viewerCount(postId: "<POST>") } }'),
    invalid('an inline fragment of an unknown type', 'subscription { ... on Nope { viewerCount(postId: "<POST>") } }'),
    invalid('a fragment of another type', 'subscription { ...F } fragment F on Query { viewerCount(postId: "<POST>") }'),
    invalid('a fragment of another type beside the field', 'subscription { viewerCount(postId: "<POST>") ...F } fragment F on Query { me { id } }'),
    invalid('a directive that is unknown on the fragment', 'subscription { ...F } fragment F on Subscription @nope { viewerCount(postId: "<POST>") }'),
    invalid('a fragment that is not there', 'subscription { ...F }'),
    invalid('a fragment that contains itself', 'subscription { ...F } fragment F on Subscription { ...F viewerCount(postId: "<POST>") }'),
    invalid('a fragment that nothing spreads', 'subscription { viewerCount(postId: "<POST>") } fragment F on Subscription { viewerCount(postId: "<POST>") }'),
  ],

  'Conditions at the root of a subscription, which the edition of 2025 forbids': [
    invalid('@include on the field', 'subscription { viewerCount(postId: "<POST>") @include(if: true) }'),
    invalid('@skip on the field', 'subscription { viewerCount(postId: "<POST>") @skip(if: false) }'),
    invalid('@skip by a variable', 'subscription ($b: Boolean!) { viewerCount(postId: "<POST>") @skip(if: $b) }', { b: false }),
    invalid('@include by a variable with a default', 'subscription ($b: Boolean! = true) { viewerCount(postId: "<POST>") @include(if: $b) }'),
    invalid('on one of two equal fields', 'subscription { viewerCount(postId: "<POST>") viewerCount(postId: "<POST>") @skip(if: true) }'),
    invalid('on an inline fragment', 'subscription { ... @include(if: true) { viewerCount(postId: "<POST>") } }'),
    invalid('on a spread', 'subscription { ...F @skip(if: false) } fragment F on Subscription { viewerCount(postId: "<POST>") }'),
    invalid('in a fragment', 'subscription { ...F } fragment F on Subscription { viewerCount(postId: "<POST>") @include(if: true) }'),
    valid('below the root', `subscription ($b: Boolean = true) { ${ADDED} { id body @skip(if: $b) author @include(if: $b) { id } } }`),
  ],

  'First events': [
    valid('viewerCount', 'subscription { viewerCount(postId: "<POST>") }'),
    valid('viewerCount by a variable', 'subscription ($id: ID!) { n: viewerCount(postId: $id) }', { id: '<POST>' }),
    valid('commentAdded after a cursor', `subscription { ${ADDED} ${COMMENT} }`),
    valid('commentAdded, live', `subscription { commentAdded(postId: "<POST>") ${COMMENT} }`),
    valid('commentChanged after a cursor', `subscription ($id: ID!, $after: Cursor) { commentChanged(postId: $id, after: $after) { __typename kind cursor comment ${COMMENT} } }`, { id: '<POST>', after: '<CURSOR>' }),
    valid('commentChanged, live', `subscription { c: commentChanged(postId: "<POST>") { k: kind comment { ...C } } } fragment C on Comment ${COMMENT}`),
    valid('typing', 'subscription { typing(postId: "<POST>") { postId isTyping user { id name avatar __typename } } }'),
    valid('after is null', 'subscription { commentAdded(postId: "<POST>", after: null) { body } }'),
    valid('after is a variable that is null', 'subscription ($after: Cursor) { commentAdded(postId: "<POST>", after: $after) { body } }', { after: null }),
    valid('after is a variable that is not given', 'subscription ($after: Cursor) { commentAdded(postId: "<POST>", after: $after) { body } }'),
    valid('includeOwn is a literal', 'subscription { commentAdded(postId: "<POST>", after: "<CURSOR>", includeOwn: true) { body } }'),
    valid('includeOwn is a variable that is not given', 'subscription ($own: Boolean) { commentAdded(postId: "<POST>", after: "<CURSOR>", includeOwn: $own) { body } }'),
    valid('includeOwn is a variable that is not given, of commentChanged', 'subscription ($own: Boolean) { commentChanged(postId: "<POST>", after: "<CURSOR>", includeOwn: $own) { kind } }'),
    valid('includeOwn is a variable with a default', 'subscription ($own: Boolean = true) { commentAdded(postId: "<POST>", after: "<CURSOR>", includeOwn: $own) { body } }'),
    valid('merged below the root', `subscription { ${ADDED} { author { id } ...A ... on Comment { body author { avatar } } } } fragment A on Comment { id author { name } }`),
    valid('a nested list', `subscription { ${ADDED} { replies(first: 2) { nodes { id } pageInfo { hasNextPage } } } }`),
    valid('an error in the event', `subscription { ${ADDED} { id replies(first: 101) { nodes { id } } } }`),
  ],

  'Subscriptions that are refused': [
    unopened('of a post that is not there', 'subscription { viewerCount(postId: "<NEW>") }'),
    unopened('with a cursor of nothing', 'subscription { commentAdded(postId: "<POST>", after: "x") { id } }'),
    unopened('with null for includeOwn by a variable', 'subscription ($own: Boolean) { commentAdded(postId: "<POST>", after: "<CURSOR>", includeOwn: $own) { id } }', { own: null }),
    invalid('with null for includeOwn', 'subscription { commentAdded(postId: "<POST>", includeOwn: null) { id } }'),
    invalid('without its post', 'subscription { viewerCount }'),
    invalid('with an argument that is unknown', 'subscription { viewerCount(postId: "<POST>", nope: 1) }'),
    invalid('with a number as a cursor', 'subscription { commentAdded(postId: "<POST>", after: 5) { id } }'),
    invalid('with a number as a cursor by a variable', 'subscription ($after: Cursor) { commentAdded(postId: "<POST>", after: $after) { id } }', { after: 5 }),
    invalid('without a variable that is required', 'subscription ($id: ID!) { viewerCount(postId: $id) }'),
    invalid('without a selection', 'subscription { commentAdded(postId: "<POST>") }'),
    invalid('with a selection of a number', 'subscription { viewerCount(postId: "<POST>") { id } }'),
  ],
};
