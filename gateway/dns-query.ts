/**
 * One question to DNS: the addresses of a name of both families, asked for at once,
 * over sockets of our own (c-ares), so that no name that is slow to answer holds
 * anything that another one needs. `name-resolver.ts` asks.
 */
import type { RecordWithTtl, Resolver } from 'node:dns';
import type { Address } from './name-resolver.ts';

/**
 * What DNS said. `absent`: there is no such name, or no DNS to ask; another way to look it up may know better.
 * `failed`: DNS could not tell.
 */
export type DnsAnswer = { readonly found: readonly Address[]; readonly ttlMs: number } | 'absent' | 'failed';

/** A name has this many addresses at most; what is beyond is not used. */
const MAX_ADDRESSES = 32;

/** Answers that say that there is nothing, rather than that it is not known. */
const ABSENT: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA', 'ECONNREFUSED']);

export class DnsQuery {
  readonly #onFirst: () => void;
  readonly #onDone: (answer: DnsAnswer) => void;
  readonly #found: { 4: readonly RecordWithTtl[]; 6: readonly RecordWithTtl[] } = { 4: [], 6: [] };
  #pending = 2;
  #failed = false;

  /**
   * Asks. `onFirst`: one family has addresses and the other one's answer is still to come. `onDone`: both have
   * answered, or failed in the resolver's own time.
   */
  constructor(resolver: Resolver, name: string, onFirst: () => void, onDone: (answer: DnsAnswer) => void) {
    this.#onFirst = onFirst;
    this.#onDone = onDone;
    const ask = (family: 4 | 6, method: 'resolve4' | 'resolve6'): void => {
      try {
        resolver[method](name, { ttl: true }, (error, records) => this.#onAnswer(family, error, records));
      } catch (error) {
        // Names that cannot be put into a question are refused before one is sent.
        this.#onAnswer(family, error as NodeJS.ErrnoException, []);
      }
    };
    ask(4, 'resolve4');
    ask(6, 'resolve6');
  }

  /** What is known so far. IPv4 leads: proxies are reached by it, and the other family is tried when it fails. */
  get answer(): DnsAnswer {
    const { 4: ipv4, 6: ipv6 } = this.#found;
    const found = [
      ...ipv4.map(({ address }): Address => ({ address, family: 4 })),
      ...ipv6.map(({ address }): Address => ({ address, family: 6 })),
    ].slice(0, MAX_ADDRESSES);
    if (found.length > 0) {
      const ttl = Math.min(...[...ipv4, ...ipv6].map((record) => record.ttl));
      return { found, ttlMs: ttl * 1_000 };
    }
    return this.#failed || this.#pending > 0 ? 'failed' : 'absent';
  }

  #onAnswer(family: 4 | 6, error: NodeJS.ErrnoException | null, records: readonly RecordWithTtl[]): void {
    this.#pending--;
    if (error !== null) this.#failed ||= !ABSENT.has(error.code ?? '');
    else this.#found[family] = records;
    if (this.#pending === 0) this.#onDone(this.answer);
    else if (this.#found[family].length > 0) this.#onFirst();
  }
}
