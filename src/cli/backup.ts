/**
 * `sallyport backup FILE`: an online backup, as a client of the RPC like any other.
 *
 *   FILE.part ◀─ pieces ─ server        whole and on disk? then it takes the name FILE
 */
import { existsSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ConnectError, createSallyport } from '../../client/client.ts';
import type { ServerAddress } from './server-address.ts';

export interface BackupHost {
  /** Writes a line of text to standard output. */
  readonly print: (text: string) => void;
  /** Writes a line of text to standard error. */
  readonly complain: (text: string) => void;
  /** Shows a line that replaces the one before; null where nobody looks at a terminal. */
  readonly showProgress: ((line: string) => void) | null;
}

export interface BackupRequest {
  readonly file: string;
  /** Whether a file of that name may be replaced. */
  readonly force: boolean;
  readonly server: ServerAddress;
}

const DONE = 0;
const REFUSED = 1;
const UNREACHABLE = 3;
const BAR_WIDTH = 30;

/** Fetches a backup; answers the exit code: 0 done, 1 refused, 3 the server cannot be reached. */
export async function backup({ file, force, server }: BackupRequest, host: BackupHost): Promise<number> {
  if (!force && existsSync(file)) {
    host.complain(`${file} exists; --force replaces it`);
    return REFUSED;
  }
  const part = `${file}.part`;
  try {
    const bytes = await fetchInto(part, server, host);
    await rename(part, file);
    await syncDirectory(dirname(file));
    host.print(
      `${file}: a backup of ${megabytes(bytes)} MB; its secrets open with the master key only, which is not in it`,
    );
    return DONE;
  } catch (error) {
    await rm(part, { force: true });
    return failed(error, server, host);
  }
}

/** Writes the whole backup, on disk when this resolves; answers its size. */
async function fetchInto(part: string, server: ServerAddress, host: BackupHost): Promise<number> {
  const out = await open(part, 'w', 0o600);
  try {
    let received = 0;
    let total = 0;
    for await (const piece of createSallyport(server).accounts.createBackup({})) {
      await writeAll(out, piece.chunk);
      received += piece.chunk.length;
      total = Number(piece.totalBytes);
      host.showProgress?.(progressLine(received, total));
    }
    if (received === 0 || received !== total) throw new Error(`the backup ended after ${received} of ${total} bytes`);
    await out.sync();
    return received;
  } finally {
    host.showProgress?.('');
    await out.close();
  }
}

async function writeAll(out: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await out.write(bytes, at)).bytesWritten;
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Says what went wrong; the server's own sentence where it gave one. */
function failed(error: unknown, { url }: ServerAddress, host: BackupHost): number {
  if (error instanceof ConnectError) {
    const { code } = (error.cause ?? {}) as NodeJS.ErrnoException;
    if (typeof code === 'string') {
      host.complain(`the server at ${url} cannot be reached (${code})`);
      return UNREACHABLE;
    }
    host.complain(error.rawMessage);
    return REFUSED;
  }
  const { code, message } = error as NodeJS.ErrnoException;
  host.complain(code === undefined ? message : `the backup cannot be written (${code})`);
  return REFUSED;
}

function progressLine(received: number, total: number): string {
  const share = received / total;
  const filled = Math.round(share * BAR_WIDTH);
  const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}`;
  return `${bar} ${Math.floor(share * 100)} % of ${megabytes(total)} MB`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
