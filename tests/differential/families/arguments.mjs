// Section 5.4: arguments of fields and of directives.

import { invalid, malformed, valid } from '../cases.mjs';

export default {
  '5.4.1 Argument Names': [
    valid('all of them', '{ post(id: "main") { comments(first: 1, after: null, order: NEWEST_FIRST) { nodes { id } } } }'),
    valid('in another order', '{ post(id: "main") { comments(order: NEWEST_FIRST, first: 1) { nodes { id } } } }'),
    invalid('one that is unknown', '{ me(nope: 1) { id } }'),
    invalid('one that is unknown beside a known one', '{ post(id: "main", nope: 1) { id } }'),
    invalid('one of another field', '{ post(id: "main", first: 1) { id } }'),
    invalid('one in another case', '{ post(ID: "main") { id } }'),
    invalid('one that is unknown, of a directive', '{ me @skip(if: false, nope: 1) { id } }'),
    invalid('one that is unknown, of __typename', '{ __typename(a: 1) }'),
    invalid('one that is unknown, of __schema', '{ __schema(a: 1) { description } }'),
    invalid('one that is unknown in a fragment', '{ ...F } fragment F on Query { me(nope: 1) { id } }'),
    invalid('one that is unknown with a variable', 'query ($a: Int) { me(nope: $a) { id } }'),
    invalid('one that is unknown and null', '{ me(nope: null) { id } }'),
    invalid('one that is unknown in a subscription', 'subscription { viewerCount(postId: "<POST>", first: 1) }'),
  ],

  '5.4.2 Argument Uniqueness': [
    invalid('one argument twice', '{ post(id: "main", id: "quiet") { id } }'),
    invalid('one argument twice with one value', '{ post(id: "main", id: "main") { id } }'),
    invalid('one argument of a directive twice', '{ me @skip(if: false, if: false) { id } }'),
    invalid('one argument twice with a variable', 'query ($a: ID!) { post(id: "main", id: $a) { id } }', { a: 'main' }),
    invalid('one argument of a mutation twice', 'mutation { createComment(input: {postId: "<POST>", body: "a"}, input: {postId: "<POST>", body: "b"}) { comment { id } } }'),
  ],

  '5.4.3 Required Arguments': [
    invalid('missing', '{ post { id } }'),
    invalid('null', '{ post(id: null) { id } }'),
    invalid('missing of a directive', '{ me @include { id } }'),
    invalid('missing of a directive of __typename', '{ __typename @skip }'),
    invalid('null of a directive', '{ me @include(if: null) { id } }'),
    invalid('missing of a mutation', 'mutation { createComment { comment { id } } }'),
    invalid('missing of __type', '{ __type { name } }'),
    invalid('missing in a fragment', '{ ...F } fragment F on Query { comment { id } }'),
    valid('an argument that is not null and has a default, missing', '{ post(id: "main") { comments { nodes { id } } } }'),
    invalid('an argument that is not null and has a default, null', '{ post(id: "main") { comments(order: null) { nodes { id } } } }'),
    valid('an empty page', '{ posts(first: 0) { pageInfo { hasNextPage startCursor endCursor } } }'),
    valid('an argument that may be null and has a default, null', '{ post(id: "long") { comments(first: null) { nodes { id } pageInfo { hasNextPage } } } }'),
    malformed('without a value', '{ post(id:) { id } }'),
    malformed('without a name', '{ post("main") { id } }'),
  ],
};
