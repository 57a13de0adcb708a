/**
 * Names to addresses, for whatever is dialled from here: upstreams, targets of LOCAL
 * sessions and of SOCKS upstreams that take addresses only.
 *
 *   literal ▶ localhost, hosts file ▶ cache ▶ DNS, both families ─┬▶ found
 *                                                    no such name └▶ the system's look-up ▶ found | upstream_dns
 *
 * Invariants: a name that does not answer holds up nobody else; one name is asked for
 * once at a time; what is cached, and what is under way, has a bound; every caller is
 * answered within `dnsTimeoutMs` (and a tick).
 */
import { Resolver } from 'node:dns';
import { isIP } from 'node:net';
import { LRUCache } from 'lru-cache';
import type { Cause } from '../src/core/cause.ts';
import type { Clock } from '../src/core/clock.ts';
import { Deadline, type Deadlines } from './deadlines.ts';
import { type DnsAnswer, DnsQuery } from './dns-query.ts';
import { HostsFile } from './hosts-file.ts';
import { SystemLookup } from './system-lookup.ts';
import { WatchedFile } from './watched-file.ts';

/** An address that a name stands for, as the system spells it. */
export interface Address {
  readonly address: string;
  readonly family: 4 | 6;
}

/** Another way to look up a name that DNS does not know, as `SystemLookup.find`. */
export type SecondChoice = Pick<SystemLookup, 'find'>;

/** The addresses of a host, at least one; or why there are none: `upstream_dns`, `overloaded`. */
export type Resolved = readonly Address[] | Cause;

export interface NameResolverOptions {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly dnsTimeoutMs: number;
  /** Addresses with or without port, in order of preference; null: those of the system, and its own look-up behind them. */
  readonly dnsServers: readonly string[] | null;
  readonly hostsPath?: string;
  /** In place of the system's look-up, with servers of the operator's too. */
  readonly secondChoice?: SecondChoice;
}

const MAX_CACHED = 10_000;
/** Names being looked up at once, counting those that nobody waits for any more but whose questions are still out. */
const MAX_UNDER_WAY = 1_024;
/** A time to live is taken at its word between these; without one (the system's look-up) an answer lives for `SYSTEM_TTL_MS`. */
const MIN_TTL_MS = 1_000;
const MAX_TTL_MS = 300_000;
const SYSTEM_TTL_MS = 30_000;
/** A failure is not asked for again so soon. */
const FAILURE_TTL_MS = 2_000;
/** RFC 8305 section 3: with addresses of one family at hand, the other's get this long to come. */
const SECOND_FAMILY_MS = 100;
/** Questions get lost, many at once above all: each is sent so often, spread over the timeout. */
const TRIES = 5;
const HOSTS_PATH = '/etc/hosts';
const RESOLV_PATH = '/etc/resolv.conf';
/** RFC 6761 section 6.4 and RFC 7686: names that are not for DNS. */
const NEVER_ASKED = /(?:^|\.)(?:invalid|onion)$/;

type Done = (found: Resolved) => void;

/** A name that is being looked up, and who waits for it. */
class Flight {
  readonly waiting: Done[] = [];
  readonly deadline: Deadline;
  query: DnsQuery | null = null;
  over = false;

  constructor(deadlines: Deadlines, onDeadline: (flight: Flight) => void) {
    this.deadline = new Deadline(deadlines, () => onDeadline(this));
  }
}

export class NameResolver {
  readonly #options: NameResolverOptions;
  readonly #hosts: HostsFile;
  readonly #cache = new LRUCache<string, { readonly found: Resolved; readonly until: number }>({
    maxSize: MAX_CACHED,
    sizeCalculation: () => 1,
  });
  readonly #flights = new Map<string, Flight>();
  readonly #secondChoice: SecondChoice | null;
  /** Null where the operator named the servers: those do not change. */
  readonly #resolvConf: WatchedFile | null;
  #dns: Resolver;
  #underWay = 0;

  constructor(options: NameResolverOptions) {
    this.#options = options;
    this.#hosts = new HostsFile(options.hostsPath ?? HOSTS_PATH, options.clock);
    this.#dns = this.#openDns();
    this.#secondChoice = options.secondChoice ?? (options.dnsServers === null ? new SystemLookup() : null);
    this.#resolvConf =
      options.dnsServers === null
        ? new WatchedFile(RESOLV_PATH, options.clock, () => {
            // Questions that are out keep the resolver that they were asked of.
            this.#dns = this.#openDns();
          })
        : null;
  }

  /** Names being looked up now. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Names whose answer is kept, those that are out of date among them. */
  get cached(): number {
    return this.#cache.size;
  }

  /**
   * Calls back with the addresses of a name or literal address, once: at once where they are known, else within
   * `dnsTimeoutMs`. A caller that is no longer interested ignores it.
   */
  resolve(host: string, done: Done): void {
    const known = this.known(host);
    if (known !== null) return done(known);
    const name = canonical(host);
    if (NEVER_ASKED.test(name)) return done('upstream_dns');
    const cached = this.#cache.get(name);
    if (cached !== undefined && cached.until > this.#options.clock.monotonicMs()) return done(cached.found);
    const flight = this.#flights.get(name);
    if (flight !== undefined) flight.waiting.push(done);
    else if (this.#underWay >= MAX_UNDER_WAY) done('overloaded');
    else this.#begin(name, done);
  }

  /** The addresses of a host where nobody need be asked: a literal address, or a name of this machine's own; else null. */
  known(host: string): readonly Address[] | null {
    const family = isIP(host);
    if (family !== 0) return [{ address: host, family: family as 4 | 6 }];
    return this.#hosts.find(canonical(host)) ?? null;
  }

  /** Answers whoever still waits, and asks no more. */
  close(): void {
    this.#dns.cancel();
    for (const [name, flight] of this.#flights) this.#settle(name, flight, 'upstream_dns');
  }

  #openDns(): Resolver {
    const { dnsServers, dnsTimeoutMs } = this.#options;
    const timeout = Math.ceil(dnsTimeoutMs / TRIES);
    const dns = new Resolver({ timeout, maxTimeout: timeout, tries: TRIES });
    if (dnsServers !== null) dns.setServers(dnsServers);
    return dns;
  }

  #begin(name: string, done: Done): void {
    const { deadlines, dnsTimeoutMs } = this.#options;
    this.#resolvConf?.look();
    const flight = new Flight(deadlines, (late) => this.#settle(name, late, foundIn(late.query!.answer)));
    flight.waiting.push(done);
    flight.deadline.arm(dnsTimeoutMs);
    this.#flights.set(name, flight);
    this.#underWay++;
    flight.query = new DnsQuery(
      this.#dns,
      name,
      () => flight.deadline.arm(Math.min(SECOND_FAMILY_MS, dnsTimeoutMs)),
      (answer) => this.#onAnswer(name, flight, answer),
    );
  }

  #onAnswer(name: string, flight: Flight, answer: DnsAnswer): void {
    if (answer === 'absent' && this.#secondChoice !== null && !flight.over) {
      return this.#secondChoice.find(
        name,
        () => !flight.over,
        (found) => this.#end(name, flight, found.length > 0 ? { found, ttlMs: SYSTEM_TTL_MS } : 'absent'),
      );
    }
    this.#end(name, flight, answer);
  }

  /** Nothing is out any more. An answer that came too late for its callers serves the next one. */
  #end(name: string, flight: Flight, answer: DnsAnswer): void {
    this.#underWay--;
    if (typeof answer === 'object') this.#keep(name, answer.found, answer.ttlMs);
    this.#settle(name, flight, foundIn(answer));
  }

  #settle(name: string, flight: Flight, found: Resolved): void {
    if (flight.over) return;
    flight.over = true;
    flight.deadline.release();
    this.#flights.delete(name);
    const known = this.#cache.get(name);
    const isKept = known !== undefined && known.until > this.#options.clock.monotonicMs();
    if (!isKept) this.#keep(name, found, typeof found === 'string' ? FAILURE_TTL_MS : MIN_TTL_MS);
    for (const done of flight.waiting) done(found);
  }

  #keep(name: string, found: Resolved, ttlMs: number): void {
    const ms = Math.min(Math.max(ttlMs, MIN_TTL_MS), MAX_TTL_MS);
    this.#cache.set(name, { found, until: this.#options.clock.monotonicMs() + ms });
  }
}

function foundIn(answer: DnsAnswer): Resolved {
  return typeof answer === 'object' ? answer.found : 'upstream_dns';
}

function canonical(host: string): string {
  const name = host.toLowerCase();
  return name.endsWith('.') ? name.slice(0, -1) : name;
}
