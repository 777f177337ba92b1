// Requests over HTTP POST. A subscription is answered with server-sent events, of which the first is read.

import { within } from '../../support/within.mjs';

const ANSWERS_WITHIN = 10_000;
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
    const abort = new AbortController();
    try {
      return await within(ANSWERS_WITHIN, this.#exchange(request, abort.signal), 'an answer over HTTP');
    } catch (error) {
      return { fault: `no answer over HTTP: ${error.message}` };
    } finally {
      abort.abort();
    }
  }

  async #exchange(request, signal) {
    const init = { method: 'POST', headers: this.#headers, body: JSON.stringify(request), signal };
    const response = await fetch(this.#url, init);
    if (response.status >= 500) return { fault: `HTTP ${response.status}: ${await response.text()}` };
    const isStream = response.headers.get('content-type').startsWith('text/event-stream');
    return isStream ? firstEvent(response.body) : response.json();
  }

  close() {}
}

async function firstEvent(body) {
  let text = '';
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const [, data] = text.match(/^event: next\ndata: (.*)\n\n/m) ?? [];
    if (data) return JSON.parse(data);
  }
  return { fault: `the stream ended without an event: ${text}` };
}
