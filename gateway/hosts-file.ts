/**
 * The names that this machine gives addresses itself: `localhost` and all below it
 * (RFC 6761 section 6.3, whatever any file or DNS says), and the hosts file. Asked
 * by `name-resolver.ts` before DNS, by `own-addresses.ts` for names of ourselves.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Clock } from '../src/core/clock.ts';
import type { Address } from './name-resolver.ts';
import { WatchedFile } from './watched-file.ts';

const LOCALHOST: readonly Address[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];
/** Addresses kept for one name. */
const MAX_ADDRESSES = 16;
/** Names kept in all. */
const MAX_NAMES = 100_000;

export class HostsFile {
  #names: ReadonlyMap<string, readonly Address[]>;
  readonly #file: WatchedFile;

  constructor(path: string, clock: Clock) {
    this.#file = new WatchedFile(path, clock, (text) => {
      this.#names = parseHosts(text);
    });
    this.#names = parseHosts(readAll(path));
  }

  /** The addresses of a name in lower case without a trailing dot; undefined where this machine has none for it. */
  find(name: string): readonly Address[] | undefined {
    if (name === 'localhost' || name.endsWith('.localhost')) return LOCALHOST;
    this.#file.look();
    return this.#names.get(name);
  }
}

/** A machine without the file has no names in it; that it cannot be read is no reason not to start. */
function readAll(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** hosts(5): an address, then its names; what is behind `#` is a comment. IPv4 leads, as in `name-resolver.ts`. */
function parseHosts(text: string): ReadonlyMap<string, readonly Address[]> {
  const names = new Map<string, Address[]>();
  for (const line of text.split('\n')) {
    const [address = '', ...aliases] = line.split('#', 1)[0]!.trim().split(/\s+/);
    const family = isIP(address);
    // With a zone it is of use on one link only, and never dialled.
    if (family === 0 || address.includes('%')) continue;
    for (const alias of aliases) {
      const name = alias.toLowerCase().replace(/\.$/, '');
      const known = names.get(name);
      const found: Address = { address, family: family as 4 | 6 };
      if (known === undefined) {
        if (names.size < MAX_NAMES) names.set(name, [found]);
      } else if (known.length < MAX_ADDRESSES) known.push(found);
    }
  }
  for (const addresses of names.values()) addresses.sort((a, b) => a.family - b.family);
  return names;
}
