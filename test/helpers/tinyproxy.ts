/**
 * tinyproxy as an upstream that demands credentials. Its log tells what was
 * asked for but not by whom: who it was shows in that it accepts nobody else.
 */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, freePort } from '../../bench/lib/stage.ts';
import type { CredentialedUpstream } from './credentialed-upstream.ts';
import { Program } from './program.ts';

const tinyproxy = findProgram('tinyproxy');

/** Whether this machine has tinyproxy. */
export const hasTinyproxy = tinyproxy !== null;

export async function startTinyproxy(accounts: ReadonlyMap<string, string>): Promise<CredentialedUpstream> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-tinyproxy-'));
  chmodSync(folder, 0o700);
  const port = await freePort();
  const log = join(folder, 'log');
  const path = join(folder, 'tinyproxy.conf');
  const lines = [
    `Port ${port}`,
    'Listen 127.0.0.1',
    'Timeout 60',
    'MaxClients 50',
    'LogLevel Connect',
    `LogFile "${log}"`,
    ...[...accounts].map(([user, password]) => `BasicAuth ${user} ${password}`),
  ];
  writeFileSync(path, `${lines.join('\n')}\n`);
  const program = await Program.serving(tinyproxy!, ['-d', '-c', path], port);
  return {
    port,
    namesUsers: false,
    refusesPlainWith: 401,
    log: () => (existsSync(log) ? readFileSync(log, 'latin1') : '') + program.output,
    async close() {
      await program.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
