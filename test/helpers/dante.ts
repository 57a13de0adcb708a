/**
 * Dante as a SOCKS4 and SOCKS5 upstream. It checks passwords against the users of the system
 * alone, which no test can add to: with `demanding` it takes nobody.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, freePort } from '../../bench/lib/stage.ts';
import { Program } from './program.ts';

const danted = findProgram('danted');

/** Whether this machine has Dante. */
export const hasDante = danted !== null;

/** `deniedPort`: a port of targets that its rules forbid. */
export async function startDante(
  demanding: boolean,
  deniedPort: number,
): Promise<{ port: number; close(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-dante-'));
  const port = await freePort();
  const everywhere = 'from: 0/0 to: 0/0';
  const lines = [
    'logoutput: stderr',
    `internal: 127.0.0.1 port = ${port}`,
    'external: 127.0.0.1',
    'external: ::1',
    // As root it changes to another user, as it is meant to.
    ...(process.getuid?.() === 0 ? ['user.privileged: root', 'user.unprivileged: nobody'] : []),
    'clientmethod: none',
    `socksmethod: ${demanding ? 'username' : 'none'}`,
    'client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }',
    `socks block { ${everywhere} port = ${deniedPort} }`,
    `socks pass { ${everywhere} protocol: tcp }`,
  ];
  const path = join(folder, 'danted.conf');
  writeFileSync(path, `${lines.join('\n')}\n`);
  const program = await Program.serving(danted!, ['-f', path, '-N', '1'], port);
  return {
    port,
    async close() {
      await program.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
