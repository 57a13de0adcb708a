/** microsocks as a SOCKS5 upstream: for one user, or for anybody. */
import { findProgram, freePort } from '../../bench/lib/stage.ts';
import { Program } from './program.ts';

const microsocks = findProgram('microsocks');

/** Whether this machine has microsocks. */
export const hasMicrosocks = microsocks !== null;

/** `account` null: anybody, and only those who bring no credentials. */
export async function startMicrosocks(
  account: readonly [username: string, password: string] | null,
): Promise<{ port: number; close(): Promise<void> }> {
  const port = await freePort();
  const demand = account === null ? [] : ['-u', account[0], '-P', account[1]];
  const program = await Program.serving(microsocks!, ['-i', '127.0.0.1', '-p', String(port), ...demand], port);
  return { port, close: () => program.close() };
}
