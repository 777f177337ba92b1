// The check that Causerie asks at CHECK_URL: it passes each comment on to Akismet.

import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

import { verdictOf } from './akismet.mjs';
import { isSigned, keyOf } from './signature.mjs';

/** Maximum size of a request. A comment has 10,000 characters. */
const MAX_BYTES = 256 * 1024;

/** Returns the server, which does not listen yet. `akismet` has the `url`, the `key` and the `blog`. */
export function checkServer({ secret, akismet }) {
  const key = keyOf(secret);
  const server = createServer(async (request, response) => {
    const { status, ...answer } = await answerTo(request, key, akismet);
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer));
  });
  server.requestTimeout = 5000;
  return server;
}

async function answerTo(request, key, akismet) {
  if (request.method !== 'POST') return { status: 405, error: 'POST only' };
  const body = await read(request);
  if (!body) return { status: 413, error: 'too large, or cut off' };
  if (!isSigned(key, request.headers, body)) return { status: 401, error: 'not signed with CHECK_SECRET' };
  try {
    return { status: 200, verdict: await verdictOf(JSON.parse(body), akismet) };
  } catch (error) {
    // Causerie holds the comment, and counts a failure.
    console.error(error.message);
    return { status: 502, error: 'no verdict' };
  }
}

/** Reads a request's body. Returns null if it is too large or does not end. */
async function read(request) {
  const chunks = [];
  let bytes = 0;
  try {
    for await (const chunk of request) {
      bytes += chunk.length;
      // The rest is read too, so that the sender sees the answer.
      if (bytes <= MAX_BYTES) chunks.push(chunk);
    }
  } catch {
    return null;
  }
  return bytes <= MAX_BYTES ? Buffer.concat(chunks) : null;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { CHECK_SECRET, AKISMET_KEY, BLOG_URL, AKISMET_URL, HOST = '127.0.0.1', PORT = '3001' } = process.env;
  if (!AKISMET_KEY || !BLOG_URL) throw new Error('set AKISMET_KEY and BLOG_URL');
  const url = AKISMET_URL ?? 'https://rest.akismet.com/1.1/comment-check';
  const server = checkServer({ secret: CHECK_SECRET, akismet: { url, key: AKISMET_KEY, blog: BLOG_URL } });
  server.listen(Number(PORT), HOST, () => {
    console.log(`listening on http://${HOST}:${server.address().port}`);
  });
}
