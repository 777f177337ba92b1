// Section 6.4.4: field errors, and how far null goes.

import { valid } from '../cases.mjs';

const failing = 'comments(first: 101) { nodes { id } }';

export default {
  'Null goes up to what may be null': [
    valid('a root field that may not be null', '{ posts(first: 101) { nodes { id } } }'),
    valid('a root field that may not be null, beside others', '{ me { id } posts(first: 101) { nodes { id } } post(id: "main") { id } }'),
    valid('a root field that may not be null, under an alias', '{ a: posts(first: 101) { nodes { id } } }'),
    valid('a field of an object that may be null', `{ post(id: "main") { id ${failing} } me { id } }`),
    valid('a field of an object that may be null, under aliases', `{ p: post(id: "main") { id c: ${failing} } }`),
    valid('a field in a list whose items may not be null', '{ post(id: "main") { id comments(first: 2) { nodes { replies(first: 101) { nodes { id } } } } } me { id } }'),
    valid('a field of the edges of a list', '{ post(id: "main") { comments(first: 2) { edges { cursor node { replies(first: -1) { nodes { id } } } } } } }'),
    valid('a field in a list of posts, at the root', `{ posts(first: 2) { nodes { ${failing} } } }`),
    valid('a field of a comment', '{ comment(id: "<COMMENT>") { id replies(first: 101) { nodes { id } } } me { id } }'),
    valid('a field of a mutation\'s payload', 'mutation { createComment(input: {postId: "<POST>", body: "b"}) { comment { id replies(first: 101) { nodes { id } } } } }'),
    valid('two objects, of which one fails', `{ a: post(id: "main") { id } b: post(id: "main") { ${failing} } }`),
    valid('two objects that both fail', `{ a: post(id: "main") { ${failing} } b: post(id: "quiet") { ${failing} } c: me { id } }`),
    valid('two fields of one object that both fail', `{ post(id: "main") { a: ${failing} b: ${failing} } }`),
    valid('two root fields that both fail', '{ a: posts(first: 101) { nodes { id } } b: posts(first: -1) { nodes { id } } }'),
    valid('an object that fails within one that fails', `{ post(id: "main") { a: ${failing} comments(first: 1) { nodes { replies(first: 101) { nodes { id } } } } } }`),
  ],

  'Null wins': [
    valid('in the second of two halves', `{ post(id: "main") { id } post(id: "main") { ${failing} } }`),
    valid('in the first of two halves', `{ post(id: "main") { ${failing} } post(id: "main") { id } }`),
    valid('in a fragment', `{ post(id: "main") { id } ...F } fragment F on Query { post(id: "main") { ${failing} } }`),
    valid('in both halves: one error', `{ post(id: "main") { ${failing} } post(id: "main") { ${failing} } }`),
    valid('in both halves of a root field', '{ posts(first: 101) { nodes { id } } posts(first: 101) { nodes { title } } }'),
    valid('one level below', '{ comment(id: "<COMMENT>") { author { id } } comment(id: "<COMMENT>") { replies(first: 101) { nodes { id } } } }'),
    valid('in a mutation', 'mutation { createComment(input: {postId: "<POST>", body: " "}) { comment { id } } createComment(input: {postId: "<POST>", body: " "}) { comment { body } } }'),
  ],

  'Null is a value': [
    valid('a post that is not there', '{ post(id: "nope") { id comments { nodes { id } } } }'),
    valid('a comment that is not there', '{ comment(id: "nope") { id } }'),
    valid('scalars that are null', '{ post(id: "quiet") { url } me { avatar } comment(id: "<COMMENT>") { parentId editedAt } }'),
    valid('cursors of an empty page', '{ post(id: "quiet") { comments { nodes { id } edges { cursor } pageInfo { startCursor endCursor hasNextPage hasPreviousPage } } } }'),
    valid('an argument that fails below null', `{ post(id: "nope") { ${failing} } }`),
    valid('a variable of an argument that fails below null', 'query ($o: CommentOrder) { post(id: "nope") { comments(order: $o) { nodes { id } } } }', { o: null }),
  ],

  'Arguments that fail when they are executed': [
    valid('null for one that has a default', 'query ($o: CommentOrder) { post(id: "main") { id comments(order: $o) { nodes { id } } } me { id } }', { o: null }),
    valid('null for one that has a default, in a list', 'query ($o: CommentOrder) { posts(first: 2) { nodes { id comments(order: $o) { nodes { id } } } } }', { o: null }),
    valid('a cursor of nothing', '{ post(id: "main") { comments(after: "nope") { nodes { id } } } }'),
    valid('a cursor of another post', '{ post(id: "quiet") { comments(after: "<CURSOR>") { nodes { id } } } }'),
    valid('an empty cursor', '{ posts(after: "") { nodes { id } } }'),
    valid('a page of 100', '{ posts(first: 100) { nodes { id } } }'),
    valid('a page of 101 by a variable', 'query ($n: Int) { posts(first: $n) { nodes { id } } }', { n: 101 }),
  ],
};
