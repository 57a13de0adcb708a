/**
 * A small text file of the system that may change while we run (`/etc/hosts`,
 * `/etc/resolv.conf`): looked at when somebody uses what is in it, no more than
 * once in some seconds, and never waited for.
 */
import { type Stats, statSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import type { Clock } from '../src/core/clock.ts';

const LOOK_EVERY_MS = 5_000;
/** A larger one is not read: nothing that people write by hand is. */
const MAX_BYTES = 4_194_304;

export class WatchedFile {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #changed: (text: string) => void;
  #lookedAt: number;
  #seen: string;

  /** `changed` gets the new content after each change from now on; '' for a file that is gone or too large. */
  constructor(path: string, clock: Clock, changed: (text: string) => void) {
    this.#path = path;
    this.#clock = clock;
    this.#changed = changed;
    this.#lookedAt = clock.monotonicMs();
    this.#seen = versionOf(existing(path));
  }

  /** Looks again if that was long ago. What it finds is there for whoever comes after. */
  look(): void {
    const now = this.#clock.monotonicMs();
    if (now - this.#lookedAt < LOOK_EVERY_MS) return;
    this.#lookedAt = now;
    void this.#compare();
  }

  async #compare(): Promise<void> {
    const found = await stat(this.#path).catch(() => undefined);
    const version = versionOf(found);
    if (version === this.#seen) return;
    this.#seen = version;
    const readable = found !== undefined && found.size <= MAX_BYTES;
    this.#changed(readable ? await readFile(this.#path, 'utf8').catch(() => '') : '');
  }
}

/** Undefined for a file that is not there or not to be seen. */
function existing(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** Differs whenever the content may. */
function versionOf(found: Stats | undefined): string {
  return found === undefined ? '' : `${found.ino} ${found.size} ${found.mtimeMs}`;
}
