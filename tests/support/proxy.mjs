// The proxies of docs/operating.md, as it configures them, in front of a server.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from './port.mjs';
import { within } from './within.mjs';

const OPERATING = new URL('../../docs/operating.md', import.meta.url);

/** The documented configuration, for a free port of this machine instead of a public name. */
const PROXIES = {
  nginx: {
    language: 'nginx',
    command: (file) => ['/usr/sbin/nginx', '-c', file],
    configuration: (documented, port, folder) => `
      daemon off;
      pid ${folder}/nginx.pid;
      error_log stderr error;
      events {}
      http {
        access_log off;
        client_body_temp_path ${folder};
        proxy_temp_path ${folder};
        fastcgi_temp_path ${folder};
        uwsgi_temp_path ${folder};
        scgi_temp_path ${folder};
        ${documented
          .replace(/listen 443 ssl http2;.*/, `listen 127.0.0.1:${port};`)
          .replace(/^ *(server_name|ssl_certificate).*$/gm, '')}
      }`,
  },
  Caddy: {
    language: 'caddyfile',
    command: (file) => ['caddy', 'run', '--adapter', 'caddyfile', '--config', file],
    configuration: (documented, port) =>
      `{\n\tadmin off\n}\n${documented.replace('comments.example.org {', `http://127.0.0.1:${port} {`)}`,
  },
};

/** Starts a proxy in front of the server at `server`. */
export async function startProxy(name, server) {
  const { language, command, configuration } = PROXIES[name];
  const [, documented] = (await readFile(OPERATING, 'utf8')).match(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms'));
  assert.ok(documented.includes('127.0.0.1:8000'), 'the documented address of a node');
  const folder = await mkdtemp(join(tmpdir(), 'proxy-'));
  const port = await freePort();
  const file = join(folder, 'proxy.conf');
  const own = documented.replaceAll('127.0.0.1:8000', `127.0.0.1:${server}`);
  await writeFile(file, configuration(own, port, folder));
  const [program, ...args] = command(file);
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: folder } });
  let log = '';
  child.stderr.on('data', (chunk) => (log += chunk));
  const exited = once(child, 'exit');
  const url = `http://127.0.0.1:${port}`;
  const ready = async () => {
    for (;;) {
      assert.equal(child.exitCode, null, `${name} ended:\n${log}`);
      const answer = await fetch(`${url}/graphql?query={__typename}`).catch(() => null);
      if (answer?.ok) return;
      await new Promise((resume) => setTimeout(resume, 50));
    }
  };
  await within(ready(), `${name} forwards to the server`);
  return {
    url,
    async stop() {
      child.kill('SIGTERM');
      await within(exited, `${name} ends`);
      await rm(folder, { recursive: true });
    },
  };
}
