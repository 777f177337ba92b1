// Section 5.6: literals, beside variables, in lists and in input objects.

import { invalid, malformed, valid } from '../cases.mjs';

const comment = (input) => `mutation { createComment(input: ${input}) { comment { body parentId } } }`;
const withVariables = (declared, input, variables) => [
  `mutation (${declared}) { createComment(input: ${input}) { comment { body parentId } } }`,
  variables,
];
/** A mutation that is right, before one that is not: nothing of it may be done. */
const afterAnother = (input) =>
  `mutation { a: createComment(input: {postId: "<POST>", body: "a"}) { comment { id } } b: createComment(input: ${input}) { comment { id } } }`;

export default {
  '5.6.1 Values of Correct Type: scalars': [
    invalid('a string as an Int', '{ posts(first: "1") { nodes { id } } }'),
    invalid('a float as an Int', '{ posts(first: 1.0) { nodes { id } } }'),
    invalid('an exponent as an Int', '{ posts(first: 1e1) { nodes { id } } }'),
    invalid('a Boolean as an Int', '{ posts(first: true) { nodes { id } } }'),
    invalid('an enum value as an Int', '{ posts(first: ONE) { nodes { id } } }'),
    invalid('a list as an Int', '{ posts(first: [1]) { nodes { id } } }'),
    invalid('an object as an Int', '{ posts(first: {a: 1}) { nodes { id } } }'),
    valid('the largest Int', '{ posts(first: 2147483647) { nodes { id } } }'),
    invalid('an Int over the largest', '{ posts(first: 2147483648) { nodes { id } } }'),
    valid('the smallest Int', '{ posts(first: -2147483648) { nodes { id } } }'),
    invalid('an Int below the smallest', '{ posts(first: -2147483649) { nodes { id } } }'),
    invalid('an Int of many digits', '{ posts(first: 99999999999999999999999999) { nodes { id } } }'),
    valid('zero', '{ posts(first: 0) { nodes { id } pageInfo { hasNextPage startCursor } } }'),
    valid('minus zero', '{ posts(first: -0) { nodes { id } } }'),
    valid('a negative Int', '{ posts(first: -1) { nodes { id } } }'),
    invalid('an Int as a String', '{ posts(after: 1) { nodes { id } } }'),
    invalid('a Boolean as a String', '{ posts(after: false) { nodes { id } } }'),
    invalid('an enum value as a String', '{ posts(after: x) { nodes { id } } }'),
    invalid('a list as a String', '{ posts(after: ["x"]) { nodes { id } } }'),
    valid('an Int as an ID', '{ post(id: 5) { id } }'),
    valid('a negative Int as an ID', '{ post(id: -5) { id } }'),
    valid('an Int beyond 32 bits as an ID', '{ post(id: 12345678901) { id } }'),
    invalid('a float as an ID', '{ post(id: 5.5) { id } }'),
    invalid('a Boolean as an ID', '{ post(id: true) { id } }'),
    invalid('an enum value as an ID', '{ post(id: main) { id } }'),
    invalid('a list as an ID', '{ post(id: ["main"]) { id } }'),
    invalid('an object as an ID', '{ post(id: {id: "main"}) { id } }'),
    invalid('an Int as a Boolean', '{ me @skip(if: 1) { id } }'),
    invalid('a string as a Boolean', '{ me @skip(if: "true") { id } }'),
    invalid('another case of a Boolean', '{ me @skip(if: TRUE) { id } }'),
    valid('a string as a Cursor', 'subscription { commentAdded(postId: "<POST>", after: "<CURSOR>") { body } }'),
    invalid('an Int as a Cursor', 'subscription { commentAdded(postId: "<POST>", after: 1) { body } }'),
    invalid('a list as a Cursor', 'subscription { commentAdded(postId: "<POST>", after: ["<CURSOR>"]) { body } }'),
    invalid('an enum value as a Cursor', 'subscription { commentAdded(postId: "<POST>", after: x) { body } }'),
  ],

  '5.6.1 Values of Correct Type: enums': [
    valid('a value', '{ post(id: "main") { comments(order: NEWEST_FIRST) { nodes { id } } } }'),
    invalid('a value that is unknown', '{ post(id: "main") { comments(order: RANDOM) { nodes { id } } } }'),
    invalid('a value in another case', '{ post(id: "main") { comments(order: newest_first) { nodes { id } } } }'),
    invalid('a string', '{ post(id: "main") { comments(order: "NEWEST_FIRST") { nodes { id } } } }'),
    invalid('a block string', '{ post(id: "main") { comments(order: """NEWEST_FIRST""") { nodes { id } } } }'),
    invalid('a number', '{ post(id: "main") { comments(order: 1) { nodes { id } } } }'),
    invalid('a Boolean', '{ post(id: "main") { comments(order: true) { nodes { id } } } }'),
    invalid('a list', '{ post(id: "main") { comments(order: [NEWEST_FIRST]) { nodes { id } } } }'),
    invalid('a value of another enum', '{ post(id: "main") { comments(order: ADDED) { nodes { id } } } }'),
    invalid('a string as a variable\'s default', 'query ($o: CommentOrder = "NEWEST_FIRST") { post(id: "main") { comments(order: $o) { nodes { id } } } }'),
    invalid('an unknown value as a variable\'s default', 'query ($o: CommentOrder = RANDOM) { post(id: "main") { comments(order: $o) { nodes { id } } } }'),
  ],

  '5.6.1 Values of Correct Type: what is no object': ['"x"', '5', '1.5', 'true', 'ADDED', '["x"]', '[{postId: "<POST>", body: "b"}]', '[]', 'null'].flatMap(
    (value) => [
      invalid(`${value} as an input object`, comment(value)),
      invalid(`${value} as an input object, after another mutation`, afterAnother(value)),
      invalid(`${value} as the default of an input object`, `mutation ($i: CreateCommentInput = ${value}) { a: createComment(input: {postId: "<POST>", body: "a"}) { comment { id } } createComment(input: $i) { comment { id } } }`),
    ],
  ),

  '5.6.2 Input Object Field Names': [
    valid('all of them', comment('{postId: "<POST>", body: "b", parentId: null}')),
    invalid('one that is unknown', comment('{postId: "<POST>", body: "b", nope: 1}')),
    invalid('one that is unknown and null', comment('{postId: "<POST>", body: "b", nope: null}')),
    invalid('one that is unknown, after another mutation', afterAnother('{postId: "<POST>", body: "b", nope: 1}')),
    invalid('one in another case', comment('{postid: "<POST>", body: "b"}')),
    invalid('one that is unknown beside a variable that is not given', ...withVariables('$p: ID', '{postId: "<POST>", body: "b", nope: 1, parentId: $p}')),
    invalid('one that is unknown beside a variable that is given', ...withVariables('$p: ID', '{postId: "<POST>", body: "b", nope: 1, parentId: $p}', { p: null })),
    invalid('one that is unknown with a variable', ...withVariables('$p: ID', '{postId: "<POST>", body: "b", nope: $p}')),
  ],

  '5.6.3 Input Object Field Uniqueness': [
    invalid('one twice', comment('{postId: "<POST>", body: "a", body: "b"}')),
    invalid('one twice with one value', comment('{postId: "<POST>", body: "a", body: "a"}')),
    invalid('one twice, with a variable', ...withVariables('$b: String!', '{postId: "<POST>", body: $b, body: "b"}', { b: 'a' })),
    invalid('one twice, null first', comment('{postId: "<POST>", body: "a", parentId: null, parentId: null}')),
    invalid('one twice, after another mutation', afterAnother('{postId: "<POST>", body: "a", body: "b"}')),
    invalid('one twice in a variable\'s default', 'mutation ($i: CreateCommentInput! = {postId: "<POST>", body: "a", body: "b"}) { createComment(input: $i) { comment { id } } }'),
    invalid('one twice where it is unknown', comment('{postId: "<POST>", body: "a", nope: 1, nope: 2}')),
  ],

  '5.6.4 Input Object Required Fields': [
    invalid('missing', comment('{postId: "<POST>"}')),
    invalid('null', comment('{postId: "<POST>", body: null}')),
    invalid('missing, after another mutation', afterAnother('{postId: "<POST>"}')),
    invalid('an empty object', comment('{}')),
    invalid('missing beside a variable', ...withVariables('$p: ID', '{postId: "<POST>", parentId: $p}')),
    invalid('a required variable that is not given', ...withVariables('$b: String!', '{postId: "<POST>", body: $b}')),
    invalid('a required variable that is null', ...withVariables('$b: String!', '{postId: "<POST>", body: $b}', { b: null })),
    valid('an optional field that is missing', comment('{postId: "<POST>", body: "b"}')),
    valid('an optional field whose variable is not given', ...withVariables('$p: ID', '{postId: "<POST>", body: "b", parentId: $p}')),
    valid('an optional field whose variable is null', ...withVariables('$p: ID', '{postId: "<POST>", body: "b", parentId: $p}', { p: null })),
    valid('an optional field whose variable is given', ...withVariables('$p: ID', '{postId: "<POST>", body: "b", parentId: $p}', { p: '<COMMENT>' })),
    valid('a required field with a variable that has a default', ...withVariables('$b: String = "by default"', '{postId: "<POST>", body: $b}')),
    valid('a required field with a variable whose default is null at last', ...withVariables('$b: String = "by default"', '{postId: "<POST>", body: $b}', { b: null })),
  ],

  '5.6.1 Values of Correct Type: within input objects': [
    invalid('a number as a String', comment('{postId: "<POST>", body: 5}')),
    invalid('a Boolean as a String', comment('{postId: "<POST>", body: true}')),
    invalid('a list as a String', comment('{postId: "<POST>", body: ["b"]}')),
    invalid('an object as a String', comment('{postId: "<POST>", body: {b: "b"}}')),
    invalid('an enum value as a String', comment('{postId: "<POST>", body: b}')),
    invalid('a float as an ID', comment('{postId: 1.5, body: "b"}')),
    invalid('a number as a String beside a variable that is not given', ...withVariables('$p: ID', '{postId: "<POST>", body: 5, parentId: $p}')),
    invalid('a number as a String beside a variable that is given', ...withVariables('$p: ID', '{postId: "<POST>", body: 5, parentId: $p}', { p: null })),
    invalid('a string as a Boolean', 'mutation { setTyping(input: {postId: "<POST>", isTyping: "true"}) { isTyping } }'),
    invalid('a number as a Boolean', 'mutation { setTyping(input: {postId: "<POST>", isTyping: 1}) { isTyping } }'),
    invalid('null as a Boolean', 'mutation { setTyping(input: {postId: "<POST>", isTyping: null}) { isTyping } }'),
    valid('a number as an ID', 'mutation { setTyping(input: {postId: 5, isTyping: true}) { isTyping } }'),
    valid('a variable for the whole of it', 'mutation ($i: CreateCommentInput!) { createComment(input: $i) { comment { body } } }', { i: { postId: '<POST>', body: 'b' } }),
    valid('a variable for a part of it', ...withVariables('$id: ID!, $b: String!', '{postId: $id, body: $b}', { id: '<POST>', b: 'b' })),
    malformed('a field without a value', comment('{postId: "<POST>", body: }')),
    malformed('a field without a name', comment('{"<POST>"}')),
    malformed('a field whose name is a string, as in JSON', comment('{"postId": "<POST>", "body": "b"}')),
    malformed('a field with an equals sign', comment('{postId = "<POST>", body = "b"}')),
  ],
};
