/**
 * Squid as an upstream that demands credentials: Basic, checked by its own
 * basic_ncsa_auth against a password file, with an access log of who asked.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, freePort } from '../../bench/lib/stage.ts';
import type { CredentialedUpstream } from './credentialed-upstream.ts';
import { Program } from './program.ts';

const HELPERS = [
  '/usr/lib/squid/basic_ncsa_auth',
  '/usr/lib64/squid/basic_ncsa_auth',
  '/usr/libexec/squid/basic_ncsa_auth',
];
const squid = findProgram('squid');
const helper = HELPERS.find(existsSync);

/** Whether this machine has Squid and its password checker. */
export const hasSquid = squid !== null && helper !== undefined && findProgram('openssl') !== null;

export async function startSquid(accounts: ReadonlyMap<string, string>): Promise<CredentialedUpstream> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-squid-'));
  // As root it changes to another user, who has to write its log and read the passwords.
  const root = process.getuid?.() === 0;
  chmodSync(folder, root ? 0o777 : 0o700);
  const port = await freePort();
  const passwords = join(folder, 'passwords');
  const log = join(folder, 'access.log');
  writeFileSync(passwords, [...accounts].map(([user, password]) => `${user}:${apr1(password)}\n`).join(''));
  const lines = [
    `http_port 127.0.0.1:${port}`,
    `auth_param basic program ${helper} ${passwords}`,
    'auth_param basic children 2 startup=1 idle=1',
    'auth_param basic realm upstream',
    'acl known proxy_auth REQUIRED',
    ...(accounts.size === 0 ? ['http_access allow all'] : ['http_access allow known', 'http_access deny all']),
    'logformat who %un %Ss/%03>Hs %rm %ru',
    `access_log stdio:${log} who`,
    'cache deny all',
    'cache_mem 0',
    'memory_cache_shared off',
    'cache_log /dev/null',
    'cache_store_log none',
    'netdb_filename none',
    'pid_filename none',
    `coredump_dir ${folder}`,
    'pinger_enable off',
    'visible_hostname localhost',
    'shutdown_lifetime 0 seconds',
    ...(root ? ['cache_effective_user nobody'] : []),
  ];
  const path = join(folder, 'squid.conf');
  writeFileSync(path, `${lines.join('\n')}\n`);
  // The service name keys its shared memory: two of one name cannot live on one machine.
  const program = await Program.serving(squid!, ['-N', '-n', `test${process.pid}x${port}`, '-f', path], port);
  return {
    port,
    namesUsers: true,
    refusesPlainWith: 407,
    log: () => (existsSync(log) ? readFileSync(log, 'latin1') : ''),
    async close() {
      await program.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A line of a password file as htpasswd writes it. The password goes in by standard input, not by an argument. */
function apr1(password: string): string {
  return execFileSync('openssl', ['passwd', '-apr1', '-stdin'], { input: `${password}\n`, encoding: 'utf8' }).trim();
}
