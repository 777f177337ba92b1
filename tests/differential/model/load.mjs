// Reads what the server holds, by plain queries that no case depends on.

import assert from 'node:assert/strict';

export const COMMENT =
  'id postId parentId author { id name avatar role isGuest } body createdAt editedAt isDeleted cursor';
export const POST = 'id title url createdAt cursor';

const LEAF = `${COMMENT} replyCount`;
const REPLIES = `replies(first: 5) { nodes { ${LEAF} replies(first: 5) { nodes { ${LEAF} } } } }`;
const SOME = `query ($a: ID!, $b: ID!) { a: post(id: $a) { ...P } b: post(id: $b) { ...P } }
  fragment P on Post { ${POST} comments(first: 30) { nodes { ${LEAF} ${REPLIES} } pageInfo { hasNextPage } } }`;

/** Returns the one or two posts with all of their comments, without those that do not exist. */
export async function loadPosts(server, a, b = '') {
  const found = await server.ask(SOME, { a, b });
  return [found.a, found.b].filter(Boolean).map(flat);
}

/** Returns all posts, newest first, each with its cursor in the list of posts. */
export async function loadAllPosts(server) {
  const { posts } = await server.ask('{ posts(first: 100) { edges { cursor node { id } } } }');
  const loading = posts.edges.map(async ({ cursor, node }) => {
    const [post] = await loadPosts(server, node.id);
    return { ...post, listCursor: cursor };
  });
  return Promise.all(loading);
}

/** Returns a post with its comments in one list, parents before their replies. */
function flat({ comments, ...post }) {
  assert.ok(!comments.pageInfo.hasNextPage, 'all comments are read back');
  const all = [...comments.nodes];
  for (const { replies, replyCount } of all) {
    const nodes = replies?.nodes ?? [];
    assert.equal(nodes.length, replyCount, 'all replies are read back');
    all.push(...nodes);
  }
  return { ...post, comments: all.map(({ replies, replyCount, ...comment }) => comment) };
}
