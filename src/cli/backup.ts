/**
 * `sallyport backup FILE`: an online backup, as a client of the RPC like any other.
 *
 *   FILE.part ◀─ pieces ─ server        whole and on disk? then it takes the name FILE
 */
import { existsSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { Code, ConnectError, type Sallyport } from '../../client/client.ts';
import { addCommand, type Call } from './command.ts';
import { CommandFailure, EXIT } from './failure.ts';
import type { CommandHost } from './host.ts';
import { untilInterrupted } from './interruption.ts';
import { bytesText } from './output.ts';
import { type ProgressBar, startBar } from './progress-bar.ts';

export function addBackupCommand(program: Command, host: CommandHost): void {
  addCommand(
    program,
    'backup <file>',
    { help: 'fetch a copy of the database from the running server', example: 'backup sallyport-2026-11-30.db' },
    host,
    backup,
  ).option('--force', 'replace a file of that name');
}

async function backup({ operator, out, args, command }: Call): Promise<void> {
  const file = args[0]!;
  if (command.getOptionValue('force') !== true && existsSync(file)) {
    throw new CommandFailure(EXIT.refused, `${file} exists; --force replaces it`);
  }
  const part = `${file}.part`;
  try {
    const { host } = out;
    const bytes = await untilInterrupted(host, (stop) => fetchInto(part, operator.api, host.stage, stop));
    await rename(part, file);
    await syncDirectory(dirname(file));
    out.say(`${file}: a backup of ${bytesText(bytes)}; its secrets open with the master key only, which is not in it`);
    out.tell({ file, bytes });
  } catch (error) {
    await rm(part, { force: true });
    if (error instanceof ConnectError && error.code === Code.Canceled) {
      throw new CommandFailure(EXIT.interrupted, `interrupted; nothing of ${file} is left`);
    }
    throw error instanceof ConnectError ? error : unwritable(error);
  }
}

/** A file that cannot be written is told by its code; anything else by itself. */
function unwritable(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined ? error : new CommandFailure(EXIT.refused, `the backup cannot be written (${code})`);
}

/** Writes the whole backup, on disk when this resolves; answers its size. */
async function fetchInto(
  part: string,
  { accounts }: Sallyport,
  stage: NodeJS.WriteStream | null,
  signal: AbortSignal,
): Promise<number> {
  const out = await open(part, 'w', 0o600);
  let bar: ProgressBar | null = null;
  try {
    let received = 0;
    let total = 0;
    for await (const piece of accounts.createBackup({}, { signal })) {
      await writeAll(out, piece.chunk);
      received += piece.chunk.length;
      total = Number(piece.totalBytes);
      bar ??= startBar(stage, total, '{bar} {percentage} % of {size}', { size: bytesText(total) });
      bar.update(received);
    }
    if (received === 0 || received !== total) throw new Error(`the backup ended after ${received} of ${total} bytes`);
    await out.sync();
    return received;
  } finally {
    bar?.stop();
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
