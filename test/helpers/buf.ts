/** The buf program that comes with the development packages: a gRPC client made by others. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const BUF = new URL('../../node_modules/.bin/buf', import.meta.url).pathname;

/** Its path, or null where its binary is missing or does not run (it is made for some platforms only). */
export async function bufProgram(): Promise<string | null> {
  try {
    await promisify(execFile)(BUF, ['--version']);
    return BUF;
  } catch {
    return null;
  }
}
