/** `sallyport restore FILE`: puts a backup in the place of the database, with no server running. */
import { resolve } from 'node:path';
import type { Config } from '../config.ts';
import { startFailure } from './serve.ts';

export interface RestoreHost {
  /** Answers where the replaced database is kept, null when there was none. */
  readonly restoreDatabase: (config: Config, backupPath: string) => Promise<string | null>;
  /** Writes a line of text to standard output. */
  readonly print: (text: string) => void;
  /** Writes a line of text to standard error. */
  readonly complain: (text: string) => void;
}

/** Restores; answers the exit code: 0 done, 1 refused and nothing changed. */
export async function restore(config: Config, file: string, host: RestoreHost): Promise<number> {
  try {
    const kept = await host.restoreDatabase(config, resolve(file));
    if (kept !== null) host.print(`the database that was here is kept as ${kept}`);
    host.print(`${config.databasePath} is restored from ${file}`);
    return 0;
  } catch (error) {
    host.complain(`cannot restore: ${startFailure(error)}`);
    return 1;
  }
}
