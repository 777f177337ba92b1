// Section 6.1.2 and 6.4.1: the values of variables and arguments, and their defaults.

import { invalid, valid } from '../cases.mjs';

const page = (type, n) => [`query ($n: ${type}) { posts(first: $n) { nodes { id } pageInfo { hasNextPage } } }`, n === undefined ? undefined : { n }];
const post = (id, type = 'ID!') => [`query ($id: ${type}) { post(id: $id) { id } }`, { id }];
const order = (o, type = 'CommentOrder!') => [`query ($o: ${type}) { post(id: "main") { comments(order: $o) { nodes { id } } } }`, o === undefined ? undefined : { o }];
const text = (b) => ['mutation ($b: String!) { createComment(input: {postId: "<POST>", body: $b}) { comment { body } } }', { b }];
const input = (i) => ['mutation ($i: CreateCommentInput!) { createComment(input: $i) { comment { body parentId } } }', { i }];
const typing = (t) => ['mutation ($t: Boolean!) { setTyping(input: {postId: "<POST>", isTyping: $t}) { isTyping } }', { t }];
/** A mutation whose second field has a variable that does not fit: its first field may not be done. */
const second = (b) => [
  'mutation ($a: CreateCommentInput!, $b: CreateCommentInput!) { x: createComment(input: $a) { comment { id } } y: createComment(input: $b) { comment { id } } }',
  { a: { postId: '<POST>', body: 'a' }, b },
];
const right = { postId: '<POST>', body: 'b' };

export default {
  'Int': [
    valid('a number', ...page('Int', 2)),
    valid('the largest', ...page('Int', 2147483647)),
    valid('the smallest', ...page('Int', -2147483648)),
    invalid('one more', ...page('Int', 2147483648)),
    invalid('one less', ...page('Int', -2147483649)),
    invalid('far more', ...page('Int', 1e15)),
    invalid('a fraction', ...page('Int', 1.5)),
    invalid('a string', ...page('Int', '2')),
    invalid('an empty string', ...page('Int', '')),
    invalid('a Boolean', ...page('Int', true)),
    invalid('a list of one', ...page('Int', [2])),
    invalid('an empty list', ...page('Int', [])),
    invalid('an object', ...page('Int', {})),
    valid('zero', ...page('Int', 0)),
    valid('null', ...page('Int', null)),
    valid('nothing', ...page('Int')),
    invalid('null, where it is required', ...page('Int!', null)),
    invalid('nothing, where it is required', ...page('Int!')),
    invalid('null against a default, where it is required', ...page('Int! = 1', null)),
    valid('nothing, with a default', ...page('Int = 1')),
    valid('nothing, with a default and required', ...page('Int! = 1')),
    valid('null, against a default', ...page('Int = 1', null)),
    valid('nothing, with null by default', ...page('Int = null')),
    invalid('a default over the largest', ...page('Int = 2147483648')),
    invalid('a default that is a string', ...page('Int = "1"')),
    invalid('a default that is a fraction', ...page('Int = 1.0')),
    invalid('a default that is null, where it is required', ...page('Int! = null', 1)),
    invalid('a default that does not fit, against a value that does', ...page('Int = "1"', 1)),
    invalid('a default of a list', ...page('Int = [1]')),
  ],

  'ID': [
    valid('a string', ...post('main')),
    valid('a number', ...post(5)),
    valid('a negative number', ...post(-5)),
    valid('a number beyond 32 bits', ...post(12345678901)),
    invalid('a fraction', ...post(5.5)),
    invalid('a Boolean', ...post(true)),
    invalid('null', ...post(null)),
    invalid('a list of one', ...post(['main'])),
    invalid('an object', ...post({ id: 'main' })),
    valid('an empty string', ...post('')),
    valid('a string of blanks', ...post('  main ')),
    valid('a default that is a number', 'query ($id: ID! = 5) { post(id: $id) { id } }'),
    invalid('a default that is a fraction', 'query ($id: ID! = 5.5) { post(id: $id) { id } }'),
  ],

  'String': [
    valid('a string', ...text('a text')),
    valid('an emoji', ...text('a 🦀 and a 👩‍👩‍👧')),
    valid('line breaks and tabs', ...text('a\n\tb\r\nc')),
    valid('quotes and backslashes', ...text('"\\"')),
    valid('text that looks like escapes', ...text('\\u0041 \\n')),
    invalid('a number', ...text(5)),
    invalid('a fraction', ...text(5.5)),
    invalid('a Boolean', ...text(false)),
    invalid('null', ...text(null)),
    invalid('a list of one', ...text(['b'])),
    invalid('an object', ...text({ b: 'b' })),
  ],

  'Boolean': [
    valid('true', ...typing(true)),
    valid('false', ...typing(false)),
    invalid('a string', ...typing('true')),
    invalid('a number', ...typing(1)),
    invalid('null', ...typing(null)),
    invalid('a list of one', ...typing([true])),
  ],

  'Enums': [
    valid('a value', ...order('NEWEST_FIRST')),
    invalid('a value that is unknown', ...order('RANDOM')),
    invalid('a value in another case', ...order('newest_first')),
    invalid('a number', ...order(1)),
    invalid('a list of one', ...order(['NEWEST_FIRST'])),
    invalid('null, where it is required', ...order(null)),
    valid('null through a variable that may be null: the field fails', ...order(null, 'CommentOrder')),
    valid('nothing through a variable that may be null: the argument\'s default', ...order(undefined, 'CommentOrder')),
    valid('nothing through a variable with a default', ...order(undefined, 'CommentOrder = NEWEST_FIRST')),
    valid('null against a default: the field fails', ...order(null, 'CommentOrder = NEWEST_FIRST')),
  ],

  'Cursor': [
    valid('a string', 'subscription ($a: Cursor) { commentAdded(postId: "<POST>", after: $a) { body } }', { a: '<CURSOR>' }),
    invalid('a number', 'subscription ($a: Cursor) { commentAdded(postId: "<POST>", after: $a) { body } }', { a: 1 }),
    invalid('a list of one', 'subscription ($a: Cursor) { commentAdded(postId: "<POST>", after: $a) { body } }', { a: ['<CURSOR>'] }),
    invalid('an object', 'subscription ($a: Cursor) { commentAdded(postId: "<POST>", after: $a) { body } }', { a: {} }),
    valid('a default', 'subscription ($a: Cursor = "<CURSOR>") { commentAdded(postId: "<POST>", after: $a) { body } }'),
    invalid('a default that is a number', 'subscription ($a: Cursor = 1) { commentAdded(postId: "<POST>", after: $a) { body } }'),
  ],

  'Input objects': [
    valid('all fields', ...input({ ...right, parentId: '<COMMENT>' })),
    valid('an optional field is missing', ...input(right)),
    valid('an optional field is null', ...input({ ...right, parentId: null })),
    valid('an ID is a number', ...input({ ...right, postId: 5 })),
    valid('fields in another order', ...input({ body: 'b', postId: '<POST>' })),
    invalid('a field that is unknown', ...input({ ...right, nope: 1 })),
    invalid('a field that is unknown and null', ...input({ ...right, nope: null })),
    invalid('a required field is missing', ...input({ postId: '<POST>' })),
    invalid('a required field is null', ...input({ ...right, body: null })),
    invalid('a field of another type', ...input({ ...right, body: 5 })),
    invalid('a field with a list', ...input({ ...right, body: ['b'] })),
    invalid('an empty object', ...input({})),
    invalid('null', ...input(null)),
    invalid('a list of one object', ...input([right])),
    invalid('a string', ...input('x')),
    invalid('a number', ...input(5)),
    invalid('a Boolean', ...input(true)),
    valid('a default', 'mutation ($i: CreateCommentInput! = {postId: "<POST>", body: "by default"}) { createComment(input: $i) { comment { body } } }'),
    valid('a value against a default', 'mutation ($i: CreateCommentInput! = {postId: "<POST>", body: "by default"}) { createComment(input: $i) { comment { body } } }', { i: right }),
    invalid('a default with a field that is unknown', 'mutation ($i: CreateCommentInput! = {postId: "<POST>", body: "b", nope: 1}) { createComment(input: $i) { comment { body } } }', { i: right }),
    invalid('a default without a required field', 'mutation ($i: CreateCommentInput! = {postId: "<POST>"}) { createComment(input: $i) { comment { body } } }', { i: right }),
    invalid('a default with null for a required field', 'mutation ($i: CreateCommentInput! = {postId: "<POST>", body: null}) { createComment(input: $i) { comment { body } } }', { i: right }),
  ],

  'Nothing is done of a mutation one of whose variables does not fit': [
    valid('both fit', ...second(right)),
    invalid('a number', ...second(5)),
    invalid('a string', ...second('x')),
    invalid('a list', ...second([right])),
    invalid('null', ...second(null)),
    invalid('nothing', ...second(undefined)),
    invalid('a field that is unknown', ...second({ ...right, nope: 1 })),
    invalid('a field that is missing', ...second({ postId: '<POST>' })),
    invalid('a field of another type', ...second({ ...right, body: 5 })),
    invalid('a text beside a variable that is not given', 'mutation ($b: String!, $p: ID) { x: createComment(input: {postId: "<POST>", body: "a"}) { comment { id } } y: createComment(input: {postId: "<POST>", body: $b, parentId: $p}) { comment { id } } }', { b: 5 }),
  ],

  'Variables that are sent': [
    valid('one that is not declared', '{ me { id } }', { n: 1 }),
    valid('one that is not declared beside one that is', 'query ($n: Int) { posts(first: $n) { nodes { id } } }', { n: 1, m: 'x' }),
    valid('none, as an empty object', '{ me { id } }', {}),
    valid('none, as null', '{ me { id } }', null),
    valid('one of another operation, which does not fit that', 'query A($n: Int) { posts(first: $n) { nodes { id } } } query B($m: Int!) { posts(first: $m) { nodes { id } } }', { n: 1, m: 'x' }, { operationName: 'A' }),
  ],

  'Defaults of arguments': [
    valid('first, order and after are missing', '{ post(id: "long") { comments { nodes { body } pageInfo { hasNextPage hasPreviousPage } } } }'),
    valid('a variable that is not given, for first', 'query ($n: Int) { post(id: "long") { comments(first: $n) { nodes { body } pageInfo { hasNextPage } } } }'),
    valid('a variable that is not given, for order', 'query ($o: CommentOrder) { post(id: "long") { comments(first: 3, order: $o) { nodes { body } } } }'),
    valid('a variable that is not given, for after', 'query ($a: String) { post(id: "long") { comments(first: 3, after: $a) { nodes { body } } } }'),
    valid('variables that are not given, for all', 'query ($n: Int, $a: String, $o: CommentOrder) { post(id: "long") { comments(first: $n, after: $a, order: $o) { nodes { body } } } }'),
    valid('variables that are not given, in a fragment', 'query ($o: CommentOrder) { post(id: "main") { ...F } } fragment F on Post { comments(order: $o) { nodes { id } } }'),
    valid('a variable that is not given, of introspection', 'query ($d: Boolean) { __type(name: "Post") { fields(includeDeprecated: $d) { name } } }'),
    valid('a variable that is null, of introspection: the field fails', 'query ($d: Boolean) { __type(name: "Post") { name fields(includeDeprecated: $d) { name } } }', { d: null }),
    valid('a variable that is null, for first', 'query ($n: Int) { post(id: "long") { comments(first: $n) { nodes { body } pageInfo { hasNextPage } } } }', { n: null }),
    valid('a variable that is null, for after', 'query ($a: String) { posts(after: $a) { nodes { id } } }', { a: null }),
    valid('a default of the variable, for first', 'query ($n: Int = 2) { post(id: "long") { comments(first: $n) { nodes { body } } } }'),
    valid('a default of the variable, for two', 'query ($n: Int = 2, $o: CommentOrder! = NEWEST_FIRST) { post(id: "long") { comments(first: $n, order: $o) { nodes { body } } } }'),
    valid('a page after a cursor', '{ post(id: "main") { comments(first: 2, after: "<CURSOR>") { nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }'),
    valid('a page after a cursor, newest first', '{ post(id: "main") { comments(first: 2, after: "<CURSOR>", order: NEWEST_FIRST) { edges { cursor node { id } } } } }'),
    valid('a page of posts after a cursor', 'query ($a: String) { posts(first: 2, after: $a) { nodes { id } pageInfo { hasNextPage hasPreviousPage } } }', { a: '<PAGE>' }),
  ],
};
