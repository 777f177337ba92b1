// Requests over HTTP POST. A subscription is answered with server-sent events, of which the first is read.

import { HANGS_AFTER } from '../../support/within.mjs';

const ACCEPT = 'application/graphql-response+json, text/event-stream;q=0.5';

/** Sends requests to one server with one token. */
export class Http {
  name = 'HTTP';
  #url;
  #headers;

  constructor(server, token) {
    this.#url = `${server.url}/graphql`;
    this.#headers = { 'Content-Type': 'application/json', Accept: ACCEPT, Authorization: `Bearer ${token}` };
  }

  /** Returns the response; `{ fault }` if there is none that a client could read. */
  async send(request) {
    try {
      return await this.#exchange(request);
    } catch (error) {
      return { fault: `no answer over HTTP: ${error.message}` };
    }
  }

  async #exchange(request) {
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: this.#headers,
      body: JSON.stringify(request),
      signal: AbortSignal.timeout(HANGS_AFTER),
    });
    if (response.status >= 500) return { fault: `HTTP ${response.status}: ${await response.text()}` };
    const isStream = response.headers.get('content-type').startsWith('text/event-stream');
    return isStream ? firstEvent(response.body) : response.json();
  }

  close() {}
}

/** Returns the first event of a stream, which ends with it. */
async function firstEvent(body) {
  let text = '';
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const [, data] = text.match(/^event: next\ndata: (.*)\n\n/m) ?? [];
    if (data) return JSON.parse(data);
  }
  return { fault: `the stream ended without an event: ${text}` };
}
