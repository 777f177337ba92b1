// Section 6.2.2: mutations are done one after another, and each of them once.

import { valid } from '../cases.mjs';

const create = (body, selection = 'comment { body }') => `createComment(input: {postId: "<POST>", body: "${body}"}) { ${selection} }`;
const INPUT = { i: { postId: '<POST>', body: 'b' } };

export default {
  'A mutation that is selected several times is done once': [
    valid('in two fragments', `mutation ($i: CreateCommentInput!) { ...A ...B }
      fragment A on Mutation { createComment(input: $i) { comment { id } } }
      fragment B on Mutation { createComment(input: $i) { comment { body } } }`, INPUT),
    valid('side by side', `mutation { ${create('b', 'comment { id }')} ${create('b', 'comment { body }')} }`),
    valid('side by side with one selection', `mutation { ${create('b')} ${create('b')} }`),
    valid('under one alias', `mutation { a: ${create('b', 'comment { id }')} a: ${create('b', 'comment { body }')} }`),
    valid('in one fragment that is spread twice', `mutation { ...A ...A } fragment A on Mutation { ${create('b')} }`),
    valid('in an inline fragment', `mutation { ${create('b', 'comment { id }')} ... on Mutation { ${create('b', 'comment { body }')} } }`),
    valid('in nested fragments', `mutation { ...A } fragment A on Mutation { ...B ${create('b', 'comment { id }')} } fragment B on Mutation { ${create('b', 'comment { body }')} }`),
    valid('one of them skipped', `mutation { ${create('b')} createComment(input: {postId: "<POST>", body: "b"}) @skip(if: true) { comment { id } } }`),
    valid('createPost', 'mutation { createPost(input: {id: "<NEW>", title: "New"}) { post { id } } createPost(input: {id: "<NEW>", title: "New"}) { post { title } } }'),
    valid('editComment', 'mutation { editComment(input: {id: "<COMMENT>", body: "edited"}) { comment { id editedAt } } editComment(input: {id: "<COMMENT>", body: "edited"}) { comment { body editedAt } } }'),
    valid('deleteComment', 'mutation { deleteComment(input: {id: "<COMMENT>"}) { comment { id } } deleteComment(input: {id: "<COMMENT>"}) { comment { isDeleted body } } }'),
    valid('setTyping', 'mutation { setTyping(input: {postId: "<POST>", isTyping: true}) { isTyping } setTyping(input: {postId: "<POST>", isTyping: true}) { x: isTyping } }'),
    valid('signInAsGuest, with one guest', 'mutation { signInAsGuest(input: {name: "Eve"}) { token } signInAsGuest(input: {name: "Eve"}) { user { id name avatar } } }', undefined, { view: guests }),
    valid('signInAsGuest twice, with two guests', 'mutation { a: signInAsGuest(input: {name: "Eve"}) { token user { id } } b: signInAsGuest(input: {name: "Eve"}) { user { id } token } }', undefined, { view: guests }),
  ],

  'Mutations under two aliases are done twice': [
    valid('with one input', `mutation { a: ${create('b')} b: ${create('b')} }`),
    valid('with two inputs', `mutation { a: ${create('a')} b: ${create('b')} c: ${create('c')} }`),
    valid('in fragments', `mutation { ...A b: ${create('b')} } fragment A on Mutation { a: ${create('a')} }`),
    valid('of several kinds', `mutation { a: ${create('a')} editComment(input: {id: "<COMMENT>", body: "edited"}) { comment { body } } deleteComment(input: {id: "<COMMENT>"}) { comment { body isDeleted } } }`),
    valid('a post, and a comment on it', 'mutation { createPost(input: {id: "<NEW>", title: "New", url: "https://example.org/"}) { post { id title url commentCount createdAt } } createComment(input: {postId: "<NEW>", body: "b"}) { comment { postId body } } }'),
    valid('a comment is not there before it is made', `mutation { createComment(input: {postId: "<NEW>", body: "b"}) { comment { body } } createPost(input: {id: "<NEW>", title: "New"}) { post { id } } }`),
  ],

  'Mutations that fail': [
    valid('alone', `mutation { ${create(' ')} }`),
    valid('after one that is done', `mutation { a: ${create('a')} b: ${create(' ')} }`),
    valid('before one, which is not done then', `mutation { a: ${create(' ')} b: ${create('b')} }`),
    valid('by their variable', 'mutation ($b: String = "b") { a: createComment(input: {postId: "<POST>", body: "a"}) { comment { id } } createComment(input: {postId: "<POST>", body: $b}) { comment { body } } }', { b: null }),
    valid('because of what is there', 'mutation { createPost(input: {id: "<POST>", title: "Again"}) { post { id } } }'),
    valid('because of what is not there', 'mutation { editComment(input: {id: "<NEW>", body: "b"}) { comment { id } } }'),
    valid('in what is selected of them: they are done', `mutation { ${create('b', 'comment { body replies(first: 101) { nodes { id } } }')} }`),
  ],

  'Every field of a payload': [
    valid('createComment', `mutation { ${create('b', '__typename comment { __typename id postId parentId author { id name avatar } body createdAt editedAt isDeleted cursor replyCount replies { nodes { id } pageInfo { hasNextPage } } }')} }`),
    valid('a reply', 'mutation { createComment(input: {postId: "<POST>", body: "b", parentId: "<COMMENT>"}) { comment { id parentId body } } }'),
    valid('a reply to a comment that is not there', 'mutation { createComment(input: {postId: "<POST>", body: "b", parentId: "<NEW>"}) { comment { id } } }'),
    valid('createPost', 'mutation { createPost(input: {id: "<NEW>", title: "  New  "}) { post { id title url createdAt commentCount viewerCount cursor comments { nodes { id } } } } }'),
    valid('setTyping', 'mutation { setTyping(input: {postId: "<POST>", isTyping: false}) { isTyping __typename } }'),
  ],
};

/** Returns the data with guests numbered, in the place of their ids and tokens. */
function guests(data) {
  const numbers = new Map();
  const number = (id) => numbers.get(id) ?? numbers.set(id, numbers.size + 1).get(id);
  const subject = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).sub;
  return JSON.parse(JSON.stringify(data), (key, value) => {
    if (key === 'token') return `the token of guest ${number(subject(value))}`;
    return typeof value === 'string' && value.startsWith('guest:') ? `guest ${number(value)}` : value;
  });
}
