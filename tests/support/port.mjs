// Ports for programs that cannot choose one themselves.

import { once } from 'node:events';
import { createServer } from 'node:net';

/** Returns a port of loopback that is free now. */
export async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  await once(listener, 'close');
  return port;
}
