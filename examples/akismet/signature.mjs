// Verifies the signature of a request, as Standard Webhooks defines it (v1, HMAC-SHA256).

import { createHmac, timingSafeEqual } from 'node:crypto';

/** Maximum difference between the sender's clock and this one, in seconds. */
const TOLERANCE = 300;

/** Returns the key of a secret, which is `whsec_` and Base64. */
export function keyOf(secret) {
  const [, base64] = /^whsec_([A-Za-z0-9+/]+=*)$/.exec(secret ?? '') ?? [];
  if (!base64) throw new Error('CHECK_SECRET must be whsec_ and Base64, as it is in Causerie');
  return Buffer.from(base64, 'base64');
}

/** Returns the signature of a body, a Buffer. */
export function sign(key, id, timestamp, body) {
  return createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64');
}

/** Returns true if a request with these headers and this body was signed with the key, and lately. */
export function isSigned(key, headers, body, now = Date.now() / 1000) {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures = '' } = headers;
  // A timestamp that is missing or no number is not within the tolerance.
  if (!id || !(Math.abs(now - Number(timestamp)) <= TOLERANCE)) return false;
  const expected = Buffer.from(`v1,${sign(key, id, timestamp, body)}`);
  // While a secret is replaced, a request has a signature for each.
  return signatures.split(' ').some((signature) => {
    const given = Buffer.from(signature);
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}
