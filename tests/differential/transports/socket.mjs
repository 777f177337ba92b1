// Requests over one WebSocket that speaks graphql-transport-ws, by hand: a client library would hide a violation.

import { once } from 'node:events';

import WebSocket from 'ws';

import { within } from '../../support/within.mjs';

/** Sends requests to one server with one token. A socket that the server closes is a fault, and is opened again. */
export class Socket {
  name = 'WebSocket';
  #server;
  #token;
  #socket;
  #count = 0;
  #waiting = new Map();

  constructor(server, token) {
    this.#server = server;
    this.#token = token;
  }

  /** Returns the response, or the first event; `{ fault }` if there is none that a client could read. */
  async send(request) {
    const socket = await (this.#socket ??= this.#open());
    const id = String((this.#count += 1));
    const answer = new Promise((resolve) => this.#waiting.set(id, resolve));
    socket.send(JSON.stringify({ id, type: 'subscribe', payload: request }));
    try {
      return await within(answer, 'an answer over the WebSocket');
    } catch (error) {
      return { fault: error.message };
    } finally {
      if (this.#waiting.delete(id) && this.#socket) socket.send(JSON.stringify({ id, type: 'complete' }));
    }
  }

  async #open() {
    const socket = new WebSocket(this.#server.socketUrl, 'graphql-transport-ws');
    await once(socket, 'open');
    socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: this.#token } }));
    await once(socket, 'message');
    socket.on('message', (data) => this.#receive(socket, JSON.parse(data)));
    socket.on('close', (code) => this.#closed(code));
    return socket;
  }

  #receive(socket, { id, type, payload }) {
    if (type === 'ping') return socket.send(JSON.stringify({ type: 'pong' }));
    if (type === 'next') this.#waiting.get(id)?.(payload);
    if (type === 'error') this.#answer(id, { errors: payload });
    if (type === 'complete') this.#answer(id, { fault: 'completed without a result' });
  }

  /** Settles an operation that the server has ended. */
  #answer(id, response) {
    this.#waiting.get(id)?.(response);
    this.#waiting.delete(id);
  }

  #closed(code) {
    this.#socket = undefined;
    for (const id of this.#waiting.keys()) this.#answer(id, { fault: `the socket was closed with ${code}` });
  }

  async close() {
    (await this.#socket)?.close();
  }
}
