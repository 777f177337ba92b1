// Section 5.3.2, and CollectFields of section 6.3.2: fields of one response name are one field.

import { invalid, valid } from '../cases.mjs';

const post = (selections) => `post(id: "main") { ${selections} }`;

export default {
  '5.3.2 Field Selection Merging: conflicts': [
    invalid('two fields under one alias', '{ x: me { id } x: posts { nodes { id } } }'),
    invalid('an alias and a field', '{ me { id: name id } }'),
    invalid('two arguments', '{ post(id: "main") { id } post(id: "quiet") { id } }'),
    invalid('an argument and none', '{ posts { nodes { id } } posts(first: 1) { nodes { id } } }'),
    invalid('a default that is written out, and none', '{ posts { nodes { id } } posts(first: 20) { nodes { id } } }'),
    invalid('null, and none', '{ posts { nodes { id } } posts(after: null) { nodes { id } } }'),
    invalid('a literal, and a variable of that value', 'query ($id: ID!) { post(id: $id) { id } post(id: "main") { id } }', { id: 'main' }),
    invalid('two variables of one value', 'query ($a: ID!, $b: ID!) { post(id: $a) { id } post(id: $b) { id } }', { a: 'main', b: 'main' }),
    invalid('an id as a number and as a string', '{ post(id: 5) { id } post(id: "5") { id } }'),
    invalid('a field and an inline fragment', `{ ${post('x: id ... on Post { x: title }')} }`),
    invalid('a field and an inline fragment without a type', `{ ${post('x: id ... { x: title }')} }`),
    invalid('a field and a fragment', `{ ${post('x: id ...F')} } fragment F on Post { x: title }`),
    invalid('two fragments', `{ ${post('...F ...G')} } fragment F on Post { x: id } fragment G on Post { x: title }`),
    invalid('a fragment within a fragment', `{ ${post('x: id ...F')} } fragment F on Post { ...G } fragment G on Post { x: title }`),
    invalid('within one fragment', `{ ${post('...F')} } fragment F on Post { x: id x: title }`),
    invalid('below a repeated field', `{ ${post('x: id')} ${post('x: title')} }`),
    invalid('two levels below a repeated field', `{ ${post('comments { nodes { x: id } }')} ${post('comments { nodes { x: body } }')} }`),
    invalid('three levels below a repeated field', `{ ${post('comments { nodes { author { x: id } } }')} ${post('comments { nodes { author { x: name } } }')} }`),
    invalid('below a field and its like in a fragment', `{ ${post('x: id')} ...F } fragment F on Query { ${post('x: title')} }`),
    invalid('arguments below a repeated field', `{ ${post('comments(first: 1) { nodes { id } }')} ${post('comments(first: 2) { nodes { body } }')} }`),
    invalid('arguments below, in two fragments', `{ ...F ...G } fragment F on Query { ${post('comments(order: OLDEST_FIRST) { nodes { id } }')} } fragment G on Query { ${post('comments(order: NEWEST_FIRST) { nodes { body } }')} }`),
    invalid('objects of two types under one name', '{ x: me { id } x: comment(id: "<COMMENT>") { id } }'),
    invalid('an object and a scalar under one name', `{ ${post('x: comments { nodes { id } } x: id')} }`),
    invalid('conflicts that a condition would hide', `{ ${post('x: id @skip(if: true) x: title')} }`),
    invalid('conflicts that two conditions exclude', `query ($b: Boolean!) { ${post('x: id @skip(if: $b) x: title @include(if: $b)')} }`, { b: true }),
    invalid('__typename and another', '{ me { x: __typename x: id } }'),
    invalid('another as __typename, and __typename', '{ me { __typename: id __typename } }'),
    invalid('in an operation that is not meant', 'query A { me { id } } query B { me { x: id x: name } }', undefined, { operationName: 'A' }),
    invalid('in a fragment of a mutation', 'mutation { ...A ...B } fragment A on Mutation { createComment(input: {postId: "<POST>", body: "a"}) { comment { id } } } fragment B on Mutation { createComment(input: {postId: "<POST>", body: "b"}) { comment { id } } }'),
    invalid('two mutations under one alias', 'mutation { x: createComment(input: {postId: "<POST>", body: "a"}) { comment { id } } ... { x: createComment(input: {postId: "<POST>", body: "b"}) { comment { id } } } }'),
    invalid('a mutation with other input in a variable', 'mutation ($a: String!, $b: String!) { createComment(input: {postId: "<POST>", body: $a}) { comment { id } } ... on Mutation { createComment(input: {postId: "<POST>", body: $b}) { comment { id } } } }', { a: 'a', b: 'b' }),
    invalid('introspection', '{ __type(name: "Post") { x: name } __type(name: "Post") { x: kind } }'),
  ],

  '5.3.2 Field Selection Merging: fields that are one': [
    valid('the same field twice', '{ me { id id } me { id } }'),
    valid('the same alias twice', '{ me { x: id x: id } }'),
    valid('arguments in another order', '{ posts(first: 1, after: null) { nodes { id } } posts(after: null, first: 1) { nodes { title } } }'),
    valid('the same variable twice', 'query ($id: ID!) { post(id: $id) { id } post(id: $id) { title } }', { id: 'main' }),
    valid('fields of an input object in another order', 'mutation { createComment(input: {postId: "<POST>", body: "b"}) { comment { id } } createComment(input: {body: "b", postId: "<POST>"}) { comment { body } } }'),
    valid('one with a condition and one without', '{ me { id } me @include(if: true) { name } }'),
    valid('one that is skipped and one that is not', '{ me { id } me @skip(if: true) { name } }'),
    valid('both are skipped', '{ me @skip(if: true) { id } me @skip(if: true) { name } __typename }'),
    valid('one field on two types that do not meet', '{ me { x: id } post(id: "main") { x: title } }'),
    valid('__typename twice', '{ me { __typename __typename x: __typename } }'),
  ],

  'Fields in several fragments': [
    valid('of a query', '{ ...A ...B } fragment A on Query { me { id } } fragment B on Query { me { name } }'),
    valid('nested', `{ ...A ...B } fragment A on Query { ${post('id comments { nodes { id author { id } } }')} } fragment B on Query { ${post('title comments { nodes { body author { name } } pageInfo { hasNextPage } }')} }`),
    valid('a list, merged item by item', `{ ${post('comments { nodes { id } }')} ${post('comments { nodes { body } edges { cursor } }')} ${post('comments { edges { node { id } } }')} }`),
    valid('replies, merged item by item', `{ ${post('comments { nodes { id replies { nodes { id } } } }')} ${post('comments { nodes { replies { nodes { body } } } }')} }`),
    valid('one fragment in two places', `{ ${post('comments { nodes { ...C replies { nodes { ...C } } } }')} } fragment C on Comment { id author { ...U } } fragment U on User { name }`),
    valid('one fragment twice in one place', '{ me { ...U ...U } } fragment U on User { id name }'),
    valid('one fragment, skipped first', '{ me { ...U @skip(if: true) ...U } } fragment U on User { id name }'),
    valid('one fragment, skipped the second time', '{ me { ...U ...U @skip(if: true) } } fragment U on User { id name }'),
    valid('inline fragments within one another', '{ me { ... on User { id ... { name ... on User { avatar } } } } }'),
    valid('introspection', '{ __type(name: "Post") { name } ...F } fragment F on Query { __type(name: "Post") { kind fields { name } } }'),
    valid('null under both', '{ post(id: "nope") { id } post(id: "nope") { title } }'),
  ],
};
