/**
 * HAProxy in two roles: as an HTTP upstream, so far as it can be one (plain requests to IPv4
 * addresses; it ends no tunnel), and as what speaks TLS in front of another upstream.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, freePort } from '../../bench/lib/stage.ts';
import type { Credential } from './certificates.ts';
import { Program } from './program.ts';

const haproxy = findProgram('haproxy');

/** Whether this machine has HAProxy. */
export const hasHaproxy = haproxy !== null;

export interface Haproxy {
  readonly port: number;
  close(): Promise<void>;
}

const TIMEOUTS = ['defaults', '  timeout connect 5s', '  timeout client 20s', '  timeout server 20s'];

/** A forward proxy for these accounts, or for anybody where there is none. */
export async function startHaproxy(accounts: ReadonlyMap<string, string>): Promise<Haproxy> {
  const port = await freePort();
  return run(port, [
    ...TIMEOUTS,
    '  mode http',
    'userlist accounts',
    ...[...accounts].map(([user, password]) => `  user ${user} insecure-password ${password}`),
    'frontend proxy',
    `  bind 127.0.0.1:${port}`,
    '  option http-use-proxy-header',
    ...(accounts.size === 0 ? [] : ['  http-request auth realm upstream unless { http_auth(accounts) }']),
    '  http-request deny deny_status 403 if METH_CONNECT',
    '  http-request deny deny_status 403 unless { url_ip -m found }',
    '  http-request set-dst url_ip',
    '  http-request set-dst-port url_port',
    '  http-request del-header proxy-authorization',
    // It would send the absolute form on.
    '  http-request set-uri %[pathq]',
    '  default_backend targets',
    'backend targets',
    '  server any 0.0.0.0:0',
  ]);
}

/** TLS in front of a port of this machine. */
export async function startTlsFront(toPort: number, { cert, key }: Credential): Promise<Haproxy> {
  const port = await freePort();
  return run(
    port,
    [
      ...TIMEOUTS,
      '  mode tcp',
      'frontend tls',
      `  bind 127.0.0.1:${port} ssl crt FOLDER/pair.pem`,
      '  default_backend upstream',
      'backend upstream',
      `  server upstream 127.0.0.1:${toPort}`,
    ],
    `${cert}\n${key}`,
  );
}

async function run(port: number, lines: readonly string[], pair = ''): Promise<Haproxy> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-haproxy-'));
  chmodSync(folder, 0o700);
  const path = join(folder, 'haproxy.cfg');
  writeFileSync(join(folder, 'pair.pem'), pair);
  writeFileSync(path, `${lines.join('\n').replaceAll('FOLDER', folder)}\n`);
  const program = await Program.serving(haproxy!, ['-db', '-f', path], port);
  return {
    port,
    async close() {
      await program.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
