// Section 5.7, and sections 3.13.1 and 3.13.2: directives, above all @skip and @include.

import { invalid, malformed, valid } from '../cases.mjs';

const comment = (directives) =>
  `createComment(input: {postId: "<POST>", body: "b"}) ${directives} { comment { body } }`;
/** The ways in which a condition's variable has its value: declaration, variables, what it comes to. */
const VARIABLES = [
  ['$b: Boolean!', { b: true }, 'true'],
  ['$b: Boolean!', { b: false }, 'false'],
  ['$b: Boolean = true', undefined, 'true by default'],
  ['$b: Boolean = false', undefined, 'false by default'],
  ['$b: Boolean! = true', undefined, 'true by a default that is not null'],
  ['$b: Boolean! = false', undefined, 'false by a default that is not null'],
  ['$b: Boolean = true', { b: false }, 'false, against the default'],
  ['$b: Boolean! = false', { b: true }, 'true, against the default'],
];
const byVariables = (of) =>
  ['skip', 'include'].flatMap((name) =>
    VARIABLES.map(([declared, variables, title]) =>
      valid(`@${name} by a variable that is ${title}`, of(declared, `@${name}(if: $b)`), variables),
    ),
  );

export default {
  '5.7.1 Directives Are Defined': [
    invalid('on a field', '{ me @nope { id } }'),
    invalid('on a spread', '{ ...F @nope } fragment F on Query { me { id } }'),
    invalid('on an inline fragment', '{ ... @nope { me { id } } }'),
    invalid('on a fragment', '{ ...F } fragment F on Query @nope { me { id } }'),
    invalid('on a query', 'query @nope { me { id } }'),
    invalid('on a mutation', 'mutation @nope { setTyping(input: {postId: "<POST>", isTyping: true}) { isTyping } }'),
    invalid('on a subscription', 'subscription @nope { viewerCount(postId: "<POST>") }'),
    invalid('on a variable', 'query ($n: Int @nope) { posts(first: $n) { nodes { id } } }'),
    invalid('on a variable with a default', 'query ($n: Int = 1 @nope(a: 1)) { posts(first: $n) { nodes { id } } }'),
    invalid('on __typename', '{ me { __typename @nope } }'),
    invalid('on a skipped field', '{ me { id name @skip(if: true) @nope } }'),
    invalid('in another case', '{ me @Skip(if: true) { id } }'),
    invalid('@defer, which is of no edition', '{ ... @defer { me { id } } }'),
    invalid('@stream, which is of no edition', '{ posts { nodes @stream { id } } }'),
    malformed('without a name', '{ me @ { id } }'),
    malformed('before the alias', '{ @skip(if: true) me { id } }'),
  ],

  '5.7.2 Directives Are in Valid Locations': [
    invalid('@skip on a query', 'query @skip(if: false) { me { id } }'),
    invalid('@include on a mutation', 'mutation @include(if: true) { setTyping(input: {postId: "<POST>", isTyping: true}) { isTyping } }'),
    invalid('@include on a fragment', '{ ...F } fragment F on Query @include(if: true) { me { id } }'),
    invalid('@skip on a variable', 'query ($n: Int @skip(if: false)) { posts(first: $n) { nodes { id } } }'),
    invalid('@deprecated on a field', '{ me @deprecated { id } }'),
    invalid('@specifiedBy on a field', '{ me @specifiedBy(url: "x") { id } }'),
    invalid('@oneOf on a field', '{ me @oneOf { id } }'),
    valid('@skip on a field, a spread and an inline fragment', '{ me @skip(if: false) { id } ...F @skip(if: false) ... @skip(if: false) { b: me { id } } } fragment F on Query { a: me { id } }'),
  ],

  '5.7.3 Directives Are Unique per Location': [
    invalid('@skip twice', '{ me @skip(if: false) @skip(if: false) { id } }'),
    invalid('@include twice with two values', '{ me @include(if: true) @include(if: false) { id } }'),
    invalid('@skip twice on __typename', '{ me { __typename @skip(if: false) @skip(if: false) } }'),
    invalid('@skip twice on a spread', '{ ...F @skip(if: false) @skip(if: false) } fragment F on Query { me { id } }'),
    valid('@skip once on each of two equal fields', '{ me @skip(if: false) { id } me @skip(if: false) { name } }'),
  ],

  '@skip and @include together': [false, true].flatMap((skip) =>
    [false, true].map((include) =>
      valid(`skip ${skip}, include ${include}`, `{ me { id name @skip(if: ${skip}) @include(if: ${include}) avatar @include(if: ${include}) @skip(if: ${skip}) } }`),
    ),
  ),

  'Conditions with literals': [
    valid('on fields', '{ a: me @include(if: true) { id } b: me @include(if: false) { id } c: me @skip(if: true) { id } d: me @skip(if: false) { id } }'),
    valid('on inline fragments', '{ me { id ... @include(if: false) { name } ... on User @skip(if: false) { avatar } } }'),
    valid('on spreads', '{ me { id ...F @include(if: false) ...G @skip(if: false) } } fragment F on User { name } fragment G on User { avatar }'),
    valid('on __typename', '{ me { id a: __typename @skip(if: true) b: __typename @include(if: true) } }'),
    valid('a whole selection is skipped', '{ me { id @skip(if: true) } }'),
    valid('the whole operation is skipped', '{ me @skip(if: true) { id } }'),
    valid('a skipped fragment that another spread includes', '{ me { id ...F @skip(if: true) ... { ...F } } } fragment F on User { name }'),
    valid('a condition within a fragment', '{ me { id ...F } } fragment F on User { name @skip(if: true) avatar @skip(if: false) }'),
    valid('a skipped field whose argument would fail', '{ me { id } posts(first: 101) @skip(if: true) { nodes { id } } }'),
    valid('in introspection', '{ __type(name: "User") { name kind @skip(if: true) fields @include(if: true) { name } } }'),
  ],

  'Conditions by a variable, on a field': byVariables((declared, condition) => `query (${declared}) { me { id name ${condition} } }`),
  'Conditions by a variable, on an inline fragment': byVariables((declared, condition) => `query (${declared}) { me { id ... ${condition} { name } } }`),
  'Conditions by a variable, on a spread': byVariables((declared, condition) => `query (${declared}) { me { id ...F ${condition} } } fragment F on User { name }`),
  'Conditions by a variable, within a fragment': byVariables((declared, condition) => `query (${declared}) { me { ...F } } fragment F on User { id name ${condition} }`),
  'Conditions by a variable, on __typename': byVariables((declared, condition) => `query (${declared}) { me { id __typename ${condition} } }`),
  'Conditions by a variable, on a mutation': byVariables((declared, condition) => `mutation (${declared}) { ${comment(condition)} }`),
  'Conditions by a variable, below a mutation': byVariables((declared, condition) => `mutation (${declared}) { createComment(input: {postId: "<POST>", body: "b"}) { comment { body isDeleted ${condition} } } }`),
  'Conditions by a variable, in an event': byVariables((declared, condition) => `subscription (${declared}) { commentAdded(postId: "<POST>", after: "<CURSOR>") { body isDeleted ${condition} } }`),

  'Arguments of conditions': [
    invalid('a variable that may be null', 'query ($b: Boolean) { me @skip(if: $b) { id } }', { b: true }),
    invalid('a variable that may be null, on __typename', 'query ($b: Boolean) { me { id __typename @skip(if: $b) } }', { b: true }),
    invalid('a variable whose default is null', 'query ($b: Boolean = null) { me @skip(if: $b) { id } }', { b: true }),
    invalid('a variable of another type', 'query ($b: String!) { me @skip(if: $b) { id } }', { b: 'true' }),
    invalid('a variable of a list', 'query ($b: [Boolean!]!) { me @skip(if: $b) { id } }', { b: [true] }),
    invalid('a variable that is not declared', '{ me @skip(if: $b) { id } }'),
    invalid('a variable that is not declared, on __typename', '{ me { id __typename @include(if: $b) } }'),
    invalid('a variable that is not given', 'query ($b: Boolean!) { me @skip(if: $b) { id } }'),
    invalid('a variable that is not given, on __typename', 'query ($b: Boolean!) { me { id __typename @skip(if: $b) } }'),
    invalid('a variable that is null', 'query ($b: Boolean!) { me @skip(if: $b) { id } }', { b: null }),
    invalid('a variable with another value', 'query ($b: Boolean!) { me @skip(if: $b) { id } }', { b: 'true' }),
    invalid('a list', '{ me @skip(if: [true]) { id } }'),
    invalid('an argument that is unknown', '{ me @skip(unless: true) { id } }'),
    invalid('an argument that is unknown, on __typename', '{ me { id __typename @skip(if: true, unless: true) } }'),
    invalid('no argument, on __typename', '{ me { id __typename @skip } }'),
    malformed('a value without a name', '{ me @skip(true) { id } }'),
  ],
};
