// A proxy between a client and the server, whose connections can be cut.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** Listens on a free port and forwards connections to `port`. */
export async function startNetwork(port) {
  const connections = new Set();
  let isDown = false;
  const listener = createServer((near) => {
    if (isDown) return near.destroy();
    const far = connect(port, '127.0.0.1');
    const pair = { cut: () => [near, far].forEach((socket) => socket.destroy()) };
    connections.add(pair);
    for (const socket of [near, far]) {
      socket.on('error', pair.cut).on('close', () => (pair.cut(), connections.delete(pair)));
    }
    near.pipe(far).pipe(near);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');

  /** Cuts open connections. New ones get through. */
  const cut = () => connections.forEach((pair) => pair.cut());
  return {
    port: listener.address().port,
    url: `http://127.0.0.1:${listener.address().port}`,
    cut,
    /** Cuts open connections, and refuses new ones until `goUp`. */
    goDown: () => ((isDown = true), cut()),
    goUp: () => (isDown = false),
    stop: () => (cut(), listener.close()),
  };
}
