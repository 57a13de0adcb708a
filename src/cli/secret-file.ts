/** Secrets that come from a file, as nobody else sees what a file holds in a list of processes. */
import { usageFailure } from './failure.ts';
import type { CommandHost } from './host.ts';

/** What the file holds, without the line's end behind it. Throws a CommandFailure where it cannot be read. */
export function readSecret(host: CommandHost, file: string): string {
  try {
    return host.readFile(file).replace(/\r?\n$/, '');
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** A file that was named, and cannot be read. */
export function unreadable(file: string, error: unknown): Error {
  return usageFailure(`${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
}
