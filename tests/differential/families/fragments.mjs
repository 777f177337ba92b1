// Section 5.5: fragments, where they stand and what they are spread in.

import { invalid, malformed, valid } from '../cases.mjs';

const chain = (length, end) =>
  Array.from({ length }, (_, number) => `fragment F${number} on Query { ...F${number + 1} }`).join(' ') + end;

export default {
  '5.5.1.1 Fragment Name Uniqueness': [
    invalid('one name twice', '{ ...F } fragment F on Query { me { id } } fragment F on Query { me { name } }'),
    invalid('one name twice, equal', '{ ...F } fragment F on Query { me { id } } fragment F on Query { me { id } }'),
    invalid('one name twice on two types', '{ ...F me { ...F } } fragment F on Query { me { id } } fragment F on User { id }'),
    valid('a name of a type', '{ ...Query } fragment Query on Query { me { id } }'),
    malformed('the name on', '{ ...on } fragment on on Query { me { id } }'),
    malformed('the name on, spread nowhere', '{ me { id } } fragment on on Query { me { id } }'),
  ],

  '5.5.1.2 Fragment Spread Type Existence': [
    invalid('a fragment of an unknown type', '{ ...F } fragment F on Nope { id }'),
    invalid('an inline fragment of an unknown type', '{ ... on Nope { id } }'),
    invalid('an inline fragment of an unknown type, deep', '{ me { ... on Nope { id } } }'),
    invalid('a type in another case', '{ ... on query { me { id } } }'),
  ],

  '5.5.1.3 Fragments on Object, Interface or Union Types': [
    invalid('a fragment on a scalar', '{ me { ...F } } fragment F on String { x }'),
    invalid('an inline fragment on a scalar', '{ me { ... on ID { x } } }'),
    invalid('a fragment on an input object', '{ ...F } fragment F on CreatePostInput { id }'),
    invalid('a fragment on an enum', '{ ...F } fragment F on CommentOrder { id }'),
    invalid('an inline fragment on a custom scalar', '{ ... on Cursor { x } }'),
  ],

  '5.5.1.4 Fragments Must Be Used': [
    invalid('a fragment that nothing spreads', '{ me { id } } fragment F on User { id }'),
    invalid('a fragment that only another unused one spreads', '{ me { id } } fragment F on User { ...G } fragment G on User { id }'),
    invalid('a fragment that spreads only itself', '{ me { id } } fragment F on User { ...F }'),
    valid('a fragment of another operation', 'query A { me { id } } query B { me { ...F } } fragment F on User { id }', undefined, { operationName: 'A' }),
    valid('a fragment before its operation', 'fragment F on User { id } { me { ...F } }'),
    valid('a fragment below a condition', '{ me { id ...F @skip(if: true) } } fragment F on User { name }'),
  ],

  '5.5.2.1 Fragment Spread Target Defined': [
    invalid('a spread of nothing', '{ ...F }'),
    invalid('a spread of nothing, deep', '{ me { id ...F } }'),
    invalid('a spread of nothing in a fragment', '{ ...F } fragment F on Query { ...G }'),
    invalid('a spread in another case', '{ ...f } fragment F on Query { me { id } }'),
    invalid('a spread of an operation', 'query A { ...A }'),
  ],

  '5.5.2.2 Fragment Spreads Must Not Form Cycles': [
    invalid('a fragment in itself', '{ ...F } fragment F on Query { ...F }'),
    invalid('a fragment in itself, below a field', '{ comment(id: "<COMMENT>") { ...F } } fragment F on Comment { id replies { nodes { ...F } } }'),
    invalid('a circle of two', '{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }'),
    invalid('a circle of three', '{ ...A } fragment A on Query { ...B } fragment B on Query { ...C } fragment C on Query { ...A me { id } }'),
    invalid('a circle that is not entered', '{ me { id } } fragment A on Query { ...B } fragment B on Query { ...A }'),
    invalid('a circle through inline fragments', '{ ...A } fragment A on Query { ... on Query { ...A } }'),
    invalid('a circle that a condition breaks', '{ ...A } fragment A on Query { me { id } ...A @skip(if: true) }'),
    valid('one fragment by two ways', '{ ...A ...B } fragment A on Query { ...C } fragment B on Query { ...C } fragment C on Query { me { id } }'),
    valid('a chain', `{ ...F0 } ${chain(10, ' fragment F10 on Query { me { id } }')}`),
  ],

  '5.5.2.3 Fragment Spread Is Possible': [
    valid('a type in itself', '{ me { ... on User { id } } }'),
    invalid('a type in another', '{ me { ... on Post { id } } }'),
    invalid('a fragment of another type', '{ me { ...F } } fragment F on Post { id }'),
    invalid('a fragment of the root elsewhere', '{ me { ...F } } fragment F on Query { me { id } }'),
    invalid('an inline fragment of another type at the root', '{ ... on Mutation { __typename } }'),
    invalid('an inline fragment of another type that is skipped', '{ me { id ... on Post @skip(if: true) { title } } }'),
    invalid('a fragment within a fragment', '{ me { ...F } } fragment F on User { ... on Comment { id } }'),
    invalid('another type that selects only __typename', '{ me { id ... on Post { __typename } } }'),
    valid('an inline fragment without a type', '{ me { ... { id ... { name } } } }'),
    invalid('an inline fragment without a type and a field of another', '{ me { ... { title } } }'),
  ],

  'The syntax of fragments': [
    malformed('a spread without a name', '{ ... }'),
    malformed('a fragment without a name', '{ me { id } } fragment on User { id }'),
    malformed('a fragment without a type', '{ me { ...F } } fragment F { id }'),
    malformed('a fragment without the word on', '{ me { ...F } } fragment F User { id }'),
    malformed('two dots', '{ ..F } fragment F on Query { me { id } }'),
    malformed('four dots', '{ ....F } fragment F on Query { me { id } }'),
    valid('a name that begins with on', '{ ...only } fragment only on Query { me { id } }'),
    valid('on and a comment', '{ me { ...on#c\nUser { id } } }'),
    valid('on, a comment and more', '{ me { ... on # x\n # y\n User { id } } }'),
    valid('on and a line', '{ me { ...on\nUser { id } } }'),
    valid('on and commas', '{ me { ...on,,User,{ id } } }'),
    valid('a comment before on', '{ me { ...#c\non User { id } } }'),
    valid('a comment before a name', '{ ...#c\nF } fragment#c\nF#c\non#c\nQuery { me { id } }'),
    valid('blanks before a name', '{ ... F } fragment F on Query { me { id } }'),
    valid('directives without a type', '{ me { ... @include(if: true) { id } } }'),
  ],
};
