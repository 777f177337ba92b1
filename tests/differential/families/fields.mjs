// Sections 5.3.1 and 5.3.3: fields and their selections; and the order of keys in what is answered.

import { invalid, valid } from '../cases.mjs';

export default {
  '5.3.1 Field Selections': [
    valid('every field of a post', '{ post(id: "main") { id title url createdAt commentCount viewerCount cursor comments { nodes { id } } } }'),
    valid('every field of a comment', '{ comment(id: "<COMMENT>") { id postId parentId author { id name avatar } body createdAt editedAt isDeleted cursor replyCount replies { nodes { id } } } }'),
    invalid('a field that is unknown', '{ nope }', undefined, { isPlaced: true }),
    invalid('a field that is unknown, deep', '{ post(id: "main") { comments { nodes { author { nope } } } } }', undefined, { isPlaced: true }),
    invalid('an alias of a field that is unknown', '{ id: nope }'),
    invalid('a field of another type', '{ me { title } }'),
    invalid('a field that is unknown in an inline fragment', '{ me { ... on User { nope } } }'),
    invalid('a field that is unknown in a fragment', '{ ...F } fragment F on Query { nope }'),
    invalid('a field of Mutation in a query', '{ createPost(input: {id: "a", title: "b"}) { post { id } } }'),
    invalid('a field of Query in a mutation', 'mutation { me { id } }'),
    invalid('a field in another case', '{ Me { id } }'),
    invalid('__schema below the root', '{ me { __schema { description } } }'),
    invalid('__type below the root', '{ me { __type(name: "User") { name } } }'),
    invalid('__schema in a mutation', 'mutation { __schema { queryType { name } } }'),
    invalid('__type in a mutation', 'mutation { __type(name: "User") { name } }'),
    invalid('a meta field that is unknown', '{ __nope }'),
    valid('__typename everywhere', '{ __typename me { __typename } post(id: "main") { __typename comments(first: 1) { __typename pageInfo { __typename } edges { __typename node { __typename } } } } }'),
    valid('__typename of a mutation', 'mutation { __typename }'),
    valid('__typename under an alias', '{ type: __typename me { kind: __typename } }'),
    valid('another field under the alias __typename', '{ me { __typename: id } }'),
  ],

  '5.3.3 Leaf Field Selections': [
    invalid('an object without a selection', '{ me }'),
    invalid('a connection without a selection', '{ posts }'),
    invalid('a list of objects without a selection', '{ posts { nodes } }'),
    invalid('a scalar with a selection', '{ me { id { x } } }'),
    invalid('a custom scalar with a selection', '{ post(id: "main") { createdAt { x } } }'),
    invalid('an Int with a selection', '{ post(id: "main") { commentCount { x } } }'),
    invalid('an enum with a selection', 'subscription { commentChanged(postId: "<POST>") { kind { x } } }'),
    invalid('__typename with a selection', '{ __typename { x } }'),
    invalid('__typename with a selection, deep', '{ me { __typename { x } } }'),
    invalid('an object without a selection in a fragment', '{ ...F } fragment F on Query { me }'),
  ],

  'The order of keys': [
    valid('as they are selected', '{ b: me { name id } a: post(id: "main") { title id } }'),
    valid('the first of several decides', '{ me { name } post(id: "main") { id } me { id } }'),
    valid('through a fragment', '{ a: __typename ...F z: __typename } fragment F on Query { me { name id } m: __typename }'),
    valid('through nested fragments', '{ me { ...A avatar } } fragment A on User { name ...B } fragment B on User { id avatar }'),
    valid('a field first in a fragment, then outside', '{ ...F me { id } __typename } fragment F on Query { __typename me { name } }'),
    valid('in lists', '{ post(id: "main") { comments { nodes { body id author { name id } } pageInfo { hasNextPage } edges { node { id body } cursor } } } }'),
    valid('skipped fields take no place', '{ me { id @skip(if: true) name id } }'),
    valid('numbers look like keys only in JavaScript', '{ me { _1: id _0: name } }'),
    valid('names with underscores', '{ _: me { __: id ___: name } }'),
  ],
};
