/**
 * Connects a socket to a host at the addresses that the guard lets through, and to
 * no other. `dial.ts` calls it for every connection that leaves for an upstream.
 */
import type { LookupAddress } from 'node:dns';
import type { LookupFunction, Socket } from 'node:net';
import type { Cause } from '../src/core/cause.ts';
import type { AddressGuard } from './address-guard.ts';
import type { Resolved } from './name-resolver.ts';

export interface Whither {
  /** A name or literal address. */
  readonly host: string;
  readonly port: number;
  /** Of several addresses, each but the last gets this long: Node drops an attempt when it begins the next. */
  readonly attemptMs: number;
}

/** What Node takes for a name, so that it asks our lookup even where the host is an address. */
const SOME_NAME = 'upstream';

/**
 * Begins to connect. `onKnown` is told null once the addresses are known and dialled, or the cause for which none is;
 * then the socket fails. It is told nothing when the socket is gone by then.
 */
export function connectGuarded(
  socket: Socket,
  guard: AddressGuard,
  { host, port, attemptMs }: Whither,
  onKnown: (refusal: Cause | null) => void,
): void {
  const answer: { found: Resolved | null; tell: ((found: Resolved) => void) | null } = { found: null, tell: null };
  guard.lookup(host, port, (found) => {
    answer.found = found;
    answer.tell?.(found);
  });
  const [only, another] = typeof answer.found === 'object' ? (answer.found ?? []) : [];
  if (only !== undefined && another === undefined) {
    // Known at once, and but one: nearly every dial. Node's way past a lookup costs 15 µs more.
    onKnown(null);
    socket.connect({ host: only.address, port });
    return;
  }
  const lookup: LookupFunction = (_name, _options, callback) => {
    const tell = (found: Resolved): void => {
      if (socket.destroyed) return;
      const refusal = typeof found === 'string' ? found : null;
      onKnown(refusal);
      if (refusal === null) callback(null, found as LookupAddress[]);
      else callback(new Error(refusal), []);
    };
    if (answer.found === null) answer.tell = tell;
    else tell(answer.found);
  };
  const attempt = Math.ceil(attemptMs);
  socket.connect({ host: SOME_NAME, port, lookup, autoSelectFamily: true, autoSelectFamilyAttemptTimeout: attempt });
}
