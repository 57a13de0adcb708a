/**
 * Where this machine may connect to: the one gate that every address passes before
 * it is dialled, an upstream's (`dial.ts`) as well as a LOCAL session's target
 * (`exits/local-exit.ts`).
 *
 * Invariant: what is checked is what is dialled (E20). A name is looked up here, all
 * its addresses are checked, and the connection goes to those very addresses; one that
 * is refused refuses the name (S15), and each new connection checks anew (S16). Only what
 * a literal address is does not change, and is kept.
 */
import { isIP } from 'node:net';
import { LRUCache } from 'lru-cache';
import { isMetadataName, refusesAddress } from '../src/core/address-policy.ts';
import type { Cause } from '../src/core/cause.ts';
import type { Address, NameResolver, Resolved } from './name-resolver.ts';
import type { OwnAddresses } from './own-addresses.ts';

/** A literal address that was asked for. */
interface Literal {
  readonly found: readonly Address[];
  readonly isRefused: boolean;
}

/** Literal addresses that are kept: more than there are upstreams in use at a time. */
const MAX_LITERALS = 4_096;

export class AddressGuard {
  readonly #resolver: NameResolver;
  readonly #ownAddresses: OwnAddresses;
  readonly #allowPrivate: boolean;
  readonly #literals = new LRUCache<string, Literal>({ max: MAX_LITERALS });

  /** `allowPrivate`: loopback, private and other special ranges may be dialled; never link-local and metadata ones. */
  constructor(resolver: NameResolver, ownAddresses: OwnAddresses, allowPrivate: boolean) {
    this.#resolver = resolver;
    this.#ownAddresses = ownAddresses;
    this.#allowPrivate = allowPrivate;
  }

  /**
   * Calls back with the addresses to dial for a host and port, at least one and every one of them allowed; else with
   * `loop_detected`, `destination_denied`, or what the resolver could not do. At once where the host is known.
   */
  lookup(host: string, port: number, done: (found: Resolved) => void): void {
    const literal = this.literal(host, port);
    if (literal !== null) return done(literal);
    if (isMetadataName(nameOf(host))) return done('destination_denied');
    this.#resolver.resolve(host, (found) => {
      done(typeof found === 'string' ? found : (this.#refusalAmong(found, port) ?? found));
    });
  }

  /** The same of a literal address; null for a name. */
  literal(host: string, port: number): Resolved | null {
    const literal = this.#literals.get(host) ?? this.#readLiteral(host);
    if (literal === null) return null;
    if (this.#ownAddresses.isOwn(host, port)) return 'loop_detected';
    return literal.isRefused ? 'destination_denied' : literal.found;
  }

  /** Why a host would not be dialled, as far as that shows without asking DNS; null for all that may be. */
  refusalOf(host: string, port: number): Cause | null {
    if (this.#ownAddresses.isOwn(host, port)) return 'loop_detected';
    if (isMetadataName(nameOf(host))) return 'destination_denied';
    const known = this.#resolver.known(host);
    return known === null ? null : this.#refusalAmong(known, port);
  }

  /** null for a name. */
  #readLiteral(host: string): Literal | null {
    const family = isIP(host);
    if (family === 0) return null;
    const address = { address: host, family: family as Address['family'] };
    const literal = { found: [address], isRefused: refusesAddress(host, this.#allowPrivate) };
    this.#literals.set(host, literal);
    return literal;
  }

  #refusalAmong(found: readonly Address[], port: number): Cause | null {
    let refusal: Cause | null = null;
    for (const { address } of found) {
      if (this.#ownAddresses.isOwn(address, port)) return 'loop_detected';
      if (refusesAddress(address, this.#allowPrivate)) refusal = 'destination_denied';
    }
    return refusal;
  }
}

function nameOf(host: string): string {
  return host.toLowerCase().replace(/\.$/, '');
}
