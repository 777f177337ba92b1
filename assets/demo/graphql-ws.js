// A client of the graphql-transport-ws protocol: one socket that carries every subscription of the
// page, comes back when it is lost, and takes each subscription up again where it was.

/** Closes that a retry would only repeat: they say that this client broke the protocol. */
const FATAL = new Set([4400, 4401, 4406, 4409, 4429]);
/** The token was refused, or has expired while the socket was open. */
const FORBIDDEN = 4403;

const ACK_WITHIN = 10_000;
const PING_AFTER = 12_000;
const PONG_WITHIN = 5_000;
const LONGEST_DELAY = 30_000;

/**
 * "Full jitter": anywhere between nothing and a bound that doubles. When a server restarts, all of
 * its readers lose it in the same instant, and they must not all come back in the same instant.
 */
const delayBefore = (attempt) => Math.random() * Math.min(LONGEST_DELAY, 1000 * 2 ** attempt);

export class GraphQLSocket {
  #url;
  #connectionParams;
  #onState;
  #onRefused;
  #socket = null;
  #acknowledged = false;
  #attempt = 0;
  #state = 'connecting';
  #nextId = 1;
  #subscriptions = new Map();
  #retryTimer;
  #silenceTimer;

  /**
   * @param url                of the endpoint, ws: or wss:
   * @param connectionParams   a function, asked before each connection: the identity may have changed
   * @param onState            told 'live', 'reconnecting' or, when there is no way back, 'closed'
   * @param onRefused          told that the server no longer takes the token, before the next attempt
   */
  constructor({ url, connectionParams, onState, onRefused }) {
    this.#url = url;
    this.#connectionParams = connectionParams;
    this.#onState = onState;
    this.#onRefused = onRefused;
    addEventListener('online', () => this.#retryNow());
    document.addEventListener('visibilitychange', () => document.hidden || this.#retryNow());
  }

  get state() {
    return this.#state;
  }

  /**
   * `request` is a function that makes the operation, `{ query, variables }`. It is asked anew for
   * every connection, which is how a feed resumes: it puts its latest cursor into the variables.
   * Returns the function that ends the subscription.
   */
  subscribe(request, { next, error }) {
    const id = String(this.#nextId++);
    this.#subscriptions.set(id, { request, next, error });
    if (this.#acknowledged) this.#start(id);
    else if (!this.#socket && !this.#retryTimer) this.#connect();
    return () => {
      if (this.#subscriptions.delete(id) && this.#acknowledged) this.#send({ type: 'complete', id });
    };
  }

  /** Leaves the connection for a new one: a connection keeps the identity that it was opened with. */
  reconnect() {
    if (!this.#socket) return;
    this.#abandon();
    this.#connect();
  }

  #connect() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
    const socket = new WebSocket(this.#url, 'graphql-transport-ws');
    this.#socket = socket;
    this.#expectWithin(ACK_WITHIN);
    // An abandoned socket may go on emitting events for a while; they are none of ours.
    const ours = (handle) => (event) => this.#socket === socket && handle(event);
    socket.onopen = ours(() => this.#send({ type: 'connection_init', payload: this.#connectionParams() }));
    socket.onmessage = ours(({ data }) => this.#receive(JSON.parse(data)));
    socket.onclose = ours(({ code }) => this.#lost(code));
  }

  #receive(message) {
    if (this.#acknowledged) this.#pingAfterSilence();
    const subscription = this.#subscriptions.get(message.id);
    switch (message.type) {
      case 'connection_ack':
        this.#acknowledged = true;
        this.#attempt = 0;
        this.#pingAfterSilence();
        for (const id of this.#subscriptions.keys()) this.#start(id);
        this.#enter('live');
        break;
      case 'ping':
        this.#send({ type: 'pong' });
        break;
      case 'next':
        if (message.payload.errors) subscription?.error(message.payload.errors);
        else subscription?.next(message.payload.data);
        break;
      case 'error':
        this.#subscriptions.delete(message.id);
        subscription?.error(message.payload);
        break;
      case 'complete':
        this.#subscriptions.delete(message.id);
        break;
    }
  }

  #start(id) {
    this.#send({ type: 'subscribe', id, payload: this.#subscriptions.get(id).request() });
  }

  #send(message) {
    // Between the socket's closing and its close event there is nobody to send to, and nothing is
    // lost: what matters is said again on the next connection.
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** A socket whose network is gone looks open for minutes. So after a silence we ask. */
  #pingAfterSilence() {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => {
      this.#send({ type: 'ping' });
      this.#expectWithin(PONG_WITHIN);
    }, PING_AFTER);
  }

  #expectWithin(milliseconds) {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => this.#lost(), milliseconds);
  }

  #lost(code) {
    this.#abandon();
    if (FATAL.has(code)) return this.#enter('closed');
    this.#enter('reconnecting');
    if (code === FORBIDDEN) this.#onRefused();
    this.#retryTimer = setTimeout(() => this.#connect(), delayBefore(this.#attempt++));
  }

  #abandon() {
    const socket = this.#socket;
    this.#socket = null;
    this.#acknowledged = false;
    clearTimeout(this.#silenceTimer);
    socket.close(1000);
  }

  /** The network is back, or the page is looked at again: no reason to sit out a long delay. */
  #retryNow() {
    if (this.#retryTimer) this.#connect();
  }

  #enter(state) {
    this.#state = state;
    this.#onState(state);
  }
}
