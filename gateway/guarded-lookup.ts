/**
 * Where a host is, as far as the guard lets it be dialled, and how a socket is connected
 * there and nowhere else. `dial.ts` makes one for every connection that leaves for an upstream.
 */
import type { LookupAddress } from 'node:dns';
import type { LookupFunction, Socket } from 'node:net';
import type { Cause } from '../src/core/cause.ts';
import type { AddressGuard } from './address-guard.ts';
import type { Resolved } from './name-resolver.ts';

/** What Node takes for a name, so that it asks our lookup even where the host is an address. */
const SOME_NAME = 'upstream';

export class GuardedLookup {
  readonly #port: number;
  #found: Resolved | null = null;
  #tell: ((found: Resolved) => void) | null = null;

  /** `host`: a name or literal address. */
  constructor(guard: AddressGuard, host: string, port: number) {
    this.#port = port;
    guard.lookup(host, port, (found) => {
      this.#found = found;
      this.#tell?.(found);
    });
  }

  /** The address, if it is known at once and the only one, as nearly every dial has it; else null. */
  get only(): string | null {
    if (this.#found === null || typeof this.#found === 'string' || this.#found.length !== 1) return null;
    return this.#found[0]!.address;
  }

  /**
   * Begins to connect a socket; of several addresses, each but the last gets `attemptMs`, as Node drops an attempt when it
   * begins the next. `onKnown` is told null once the addresses are known and dialled, or the cause for which none is; then
   * the socket fails. It is told nothing when the socket is gone by then.
   */
  connect(socket: Socket, attemptMs: number, onKnown: (refusal: Cause | null) => void): void {
    const lookup: LookupFunction = (_name, _options, callback) => {
      const tell = (found: Resolved): void => {
        if (socket.destroyed) return;
        const refusal = typeof found === 'string' ? found : null;
        onKnown(refusal);
        if (refusal === null) callback(null, found as LookupAddress[]);
        else callback(new Error(refusal), []);
      };
      if (this.#found === null) this.#tell = tell;
      else tell(this.#found);
    };
    const autoSelectFamilyAttemptTimeout = Math.ceil(attemptMs);
    const where = { host: SOME_NAME, port: this.#port };
    socket.connect({ ...where, lookup, autoSelectFamily: true, autoSelectFamilyAttemptTimeout });
  }
}
