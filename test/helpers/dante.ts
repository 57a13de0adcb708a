/**
 * Dante as a SOCKS4 and SOCKS5 upstream. It checks passwords against the users of the system,
 * to which no test adds: it is given users of its own where the machine can do that.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, freePort } from '../../bench/lib/stage.ts';
import { environmentOf, hasOwnUsers } from './own-users.ts';
import { Program } from './program.ts';

const danted = findProgram('danted');

/** Whether this machine has Dante. */
export const hasDante = danted !== null;

/**
 * For these accounts, or for anybody where there is none; without `hasOwnUsers` accounts are demanded and none is
 * known. `deniedPort`: a port of targets that its rules forbid.
 */
export async function startDante(
  accounts: ReadonlyMap<string, string>,
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
    `socksmethod: ${accounts.size === 0 ? 'none' : 'username'}`,
    'client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }',
    `socks block { ${everywhere} port = ${deniedPort} }`,
    `socks pass { ${everywhere} protocol: tcp }`,
  ];
  const path = join(folder, 'danted.conf');
  writeFileSync(path, `${lines.join('\n')}\n`);
  const users = [...accounts].map(([name, password]) => ({ name, password, home: '/nonexistent' }));
  const environment = hasOwnUsers && users.length > 0 ? environmentOf(users, folder) : {};
  const program = await Program.serving(danted!, ['-f', path, '-N', '1'], port, environment);
  return {
    port,
    async close() {
      await program.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
