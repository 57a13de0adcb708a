/**
 * Users that only one program knows: nss_wrapper, loaded into it, answers from a test's files
 * where the C library would answer from the system's, which stay as they are.
 */
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../../bench/lib/stage.ts';

const [wrapper] = globSync('/usr/lib{,64}/{,*/}libnss_wrapper.so');

/** Whether this machine has nss_wrapper, and openssl to hash passwords for it. */
export const hasOwnUsers = wrapper !== undefined && findProgram('openssl') !== null;

/** A user with the ids of this process. */
export interface OwnUser {
  readonly name: string;
  /** null: no password is right. */
  readonly password: string | null;
  readonly home: string;
}

/** The environment in which a program knows these besides the system's users. Its files go to `folder`. */
export function environmentOf(users: readonly OwnUser[], folder: string): NodeJS.ProcessEnv {
  const paths = { passwd: join(folder, 'passwd'), shadow: join(folder, 'shadow') };
  const ids = `${process.getuid!()}:${process.getgid!()}`;
  const entries = users.map(({ name, home }) => `${name}:x:${ids}::${home}:/bin/sh\n`);
  writeFileSync(paths.passwd, readFileSync('/etc/passwd', 'utf8') + entries.join(''));
  const secrets = users.map(({ name, password }) => `${name}:${password === null ? '*' : hash(password)}:1::::::\n`);
  writeFileSync(paths.shadow, secrets.join(''), { mode: 0o600 });
  return {
    LD_PRELOAD: wrapper!,
    NSS_WRAPPER_PASSWD: paths.passwd,
    NSS_WRAPPER_SHADOW: paths.shadow,
    NSS_WRAPPER_GROUP: '/etc/group',
  };
}

/** As crypt(3) checks it. The password goes in by standard input, not by an argument. */
function hash(password: string): string {
  return execFileSync('openssl', ['passwd', '-6', '-stdin'], { input: `${password}\n`, encoding: 'utf8' }).trim();
}
