// Two nodes that share PostgreSQL and exchange events over NATS.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { freePort } from './port.mjs';
import { startServer } from './server.mjs';
import { within } from './within.mjs';

const SUPERVISOR = fileURLToPath(new URL('../../testkit/src/postgres.sh', import.meta.url));
const VERSIONS = '/usr/lib/postgresql';

/** Starts two nodes with the settings of `env`. `stop` ends them, and what they share. */
export async function startNodes(env = {}) {
  const [postgres, nats] = await Promise.all([startPostgres(), startNats()]);
  const shared = {
    databaseUrl: postgres.url,
    secret: randomBytes(32).toString('hex'),
    env: { ...env, BACKPLANE_URL: nats.url },
  };
  const nodes = await Promise.all([startServer(shared), startServer(shared)]);
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    await Promise.all([postgres.stop(), nats.stop()]);
  };
  return Object.assign(nodes, { stop });
}

async function startPostgres() {
  const port = await freePort();
  const versions = await readdir(VERSIONS).catch(() => []);
  const programs = versions.length ? `${VERSIONS}/${Math.max(...versions)}/bin` : '/usr/bin';
  const child = spawn('sh', [SUPERVISOR, String(port), '-c fsync=off', programs, '--no-sync'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true, // Ctrl-C must not reach the supervisor, which ends with its input.
  });
  const exited = once(child, 'exit');
  const [folder] = await within(once(createInterface(child.stdout), 'line'), 'PostgreSQL starts');
  assert.ok(folder, 'PostgreSQL did not start');
  return {
    url: `postgres://causerie@127.0.0.1:${port}/postgres`,
    stop: () => (child.stdin.end(), within(exited, 'PostgreSQL ends')),
  };
}

async function startNats() {
  const port = await freePort();
  const child = spawn('nats-server', ['--addr', '127.0.0.1', '--port', String(port)], {
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(child, 'exit');
  let isReady = false;
  for await (const line of createInterface(child.stderr)) {
    isReady = line.includes('Server is ready');
    if (isReady) break;
  }
  assert.ok(isReady, 'NATS did not start');
  child.stderr.resume();
  return {
    url: `nats://127.0.0.1:${port}`,
    stop: () => (child.kill('SIGTERM'), within(exited, 'NATS ends')),
  };
}
