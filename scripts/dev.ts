/**
 * `npm run dev`: the server, restarted on each change of the source, beside an
 * authenticating upstream and a target of its own to play with. When the server
 * is ready, one session in pool `default` points at that upstream, and lines to
 * paste are printed. Data lives in `.dev/` (delete it to begin again).
 *
 *   curl ──▶ gateway ──▶ upstream (user:pass) ──▶ target, which tells what it saw
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { Server as ProxyChainServer } from 'proxy-chain';

const DATA_DIR = '.dev';
const UPSTREAM_PORT = 8_801;
const TARGET_PORT = 8_802;

async function startTarget(): Promise<string> {
  const target = createServer((request, response) => {
    const status = Number(/^\/status\/(\d{3})$/.exec(request.url ?? '')?.[1] ?? 200);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(
      `${JSON.stringify({ method: request.method, url: request.url, headers: request.headers }, null, 2)}\n`,
    );
  });
  target.listen(TARGET_PORT, '127.0.0.1');
  await once(target, 'listening');
  return `http://127.0.0.1:${(target.address() as AddressInfo).port}/`;
}

/** Takes `user:pass`; a username that begins with `refuse` is answered 407, so that an upstream's refusal can be tried. */
async function startUpstream(): Promise<void> {
  const upstream = new ProxyChainServer({
    host: '127.0.0.1',
    port: UPSTREAM_PORT,
    prepareRequestFunction: ({ username, password }) => ({
      requestAuthentication: password !== 'pass' || username.startsWith('refuse'),
    }),
  });
  await upstream.listen();
}

function startServer(): ChildProcess {
  const watch = ['src', 'control', 'gateway'].map((folder) => `--watch-path=${folder}`);
  const args = [
    ...watch,
    '--watch-preserve-output',
    'src/main.ts',
    'serve',
    '--data-dir',
    DATA_DIR,
    '--log-format',
    'pretty',
  ];
  return spawn(process.execPath, args, { stdio: ['inherit', 'pipe', 'inherit'] });
}

/** Makes the session once; that it exists already (`failed_precondition`) is as good. */
async function createSession(): Promise<string> {
  const bootstrap = JSON.parse(readFileSync(`${DATA_DIR}/bootstrap.json`, 'utf8')) as Record<string, string>;
  const { apiKey, workspaceId, poolId, providerId, controlUrl } = bootstrap;
  const answer = await fetch(`${controlUrl}/proxies.v1.Proxies/CreateSession`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      ...{ workspaceId, poolId, providerId, token: 'dev', scheme: 'http' },
      ...{ host: '127.0.0.1', port: UPSTREAM_PORT, username: 'user', password: 'pass' },
    }),
  });
  const { code } = (await answer.json()) as { code?: string };
  if (!answer.ok && code !== 'failed_precondition') throw new Error(`CreateSession answered ${code}`);
  return bootstrap.proxyUrl!;
}

const target = await startTarget();
await startUpstream();
const server = startServer();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => server.kill(signal));
server.on('exit', (code) => process.exit(code ?? 0));
for await (const line of createInterface({ input: server.stdout! })) {
  console.log(line);
  if (!line.startsWith('sallyport is ready') || !existsSync(`${DATA_DIR}/bootstrap.json`)) continue;
  const local = await createSession();
  console.log(
    `\nTry:\n  curl -x ${local.replace('//local:', '//default:')} ${target}\n  curl -x ${local} ${target}status/503\n`,
  );
}
