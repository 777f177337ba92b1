// Asks Akismet about a comment (https://akismet.com/developers/detailed-docs/comment-check/).

/** Causerie waits two seconds in all. */
const TIMEOUT_MS = 1500;

/** Returns the verdict on what Causerie asks about. Throws if Akismet has none. */
export async function verdictOf({ post, comment, author, address, userAgent, referrer }, { url, key, blog }) {
  const fields = {
    api_key: key,
    blog,
    user_ip: address,
    user_agent: userAgent,
    referrer,
    permalink: post.url,
    comment_type: comment.parentId ? 'reply' : 'comment',
    comment_author: author.name,
    comment_content: comment.body,
    recheck_reason: comment.isEdit ? 'edit' : null,
  };
  const known = Object.entries(fields).filter(([, value]) => value != null);
  const response = await fetch(url, {
    method: 'POST',
    body: new URLSearchParams(known),
    headers: { 'User-Agent': 'Causerie/0.1 | causerie-akismet/0.1' },
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const answer = (await response.text()).trim();
  if (response.ok && answer === 'false') return 'publish';
  if (response.ok && answer === 'true') {
    // The worst spam, which no moderator needs to see.
    return response.headers.get('x-akismet-pro-tip') === 'discard' ? 'reject' : 'hold';
  }
  const help = response.headers.get('x-akismet-debug-help') ?? answer.slice(0, 100);
  throw new Error(`Akismet gave no verdict (${response.status}): ${help}`);
}
