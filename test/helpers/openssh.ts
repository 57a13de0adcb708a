/**
 * OpenSSH's dynamic forwarding (`ssh -D`) as an upstream: SOCKS4, 4A and 5 for anybody. The far
 * end of its connection is Dropbear, whose package, unlike OpenSSH's server, starts nothing and
 * adds no user; it dials the targets.
 *
 *   gateway ──SOCKS──▶ ssh -D ══SSH══▶ dropbear ──▶ target
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, freePort } from '../../bench/lib/stage.ts';
import { environmentOf, hasOwnUsers } from './own-users.ts';
import { Program } from './program.ts';

const ssh = findProgram('ssh');
const sshKeygen = findProgram('ssh-keygen');
const dropbear = findProgram('dropbear');
const dropbearkey = findProgram('dropbearkey');

/** Whether this machine has OpenSSH's client and a server for it that needs no user of the system. */
export const hasOpenssh = hasOwnUsers && [ssh, sshKeygen, dropbear, dropbearkey].every((program) => program !== null);

const USER = 'forwarded';
const OPTIONS = [
  'BatchMode=yes',
  'ExitOnForwardFailure=yes',
  'GlobalKnownHostsFile=/dev/null',
  'IdentitiesOnly=yes',
  'IdentityAgent=none',
  'StrictHostKeyChecking=no',
  'UserKnownHostsFile=/dev/null',
];

/** Serves once the connection between both ends stands. */
export async function startOpenssh(): Promise<{ port: number; close(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-openssh-'));
  const [port, farPort] = [await freePort(), await freePort()];
  const [identity, hostKey] = [join(folder, 'identity'), join(folder, 'host-key')];
  execFileSync(sshKeygen!, ['-q', '-t', 'ed25519', '-N', '', '-f', identity]);
  execFileSync(dropbearkey!, ['-t', 'ed25519', '-f', hostKey], { stdio: 'pipe' });
  mkdirSync(join(folder, '.ssh'), { mode: 0o700 });
  copyFileSync(`${identity}.pub`, join(folder, '.ssh/authorized_keys'));
  const environment = environmentOf([{ name: USER, password: null, home: folder }], folder);
  // In the foreground, to standard error, by key alone, without a word of the day.
  const served = ['-F', '-E', '-s', '-m', '-P', join(folder, 'pid'), '-r', hostKey, '-p', `127.0.0.1:${farPort}`];
  const server = await Program.serving(dropbear!, served, farPort, environment);
  const forwarded = ['-F', 'none', '-i', identity, ...OPTIONS.flatMap((option) => ['-o', option])];
  const to = ['-N', '-D', `127.0.0.1:${port}`, '-p', String(farPort), `${USER}@127.0.0.1`];
  const client = await Program.serving(ssh!, [...forwarded, ...to], port);
  return {
    port,
    async close() {
      await client.close();
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
