/**
 * The handshake with a `socks4` or `socks4a` upstream (Ying-Da Lee's memos "SOCKS" and
 * "SOCKS 4A"): one request, one answer of eight octets.
 *
 *   ──▶ 04 01 port address user-id 00            `socks4a` for a name: address 0.0.0.1, then name 00
 *   ◀── 00 code port address
 *
 * It knows no password: the username of the session is the user id. Text ends at a
 * NUL, so none may hold one, or a part of it would be read as something else.
 */
import type { Cause } from '../src/core/cause.ts';
import type { Handshake, HandshakeSink } from './handshake.ts';
import { addressOctets, portOctets } from './socks-address.ts';
import type { Locate } from './target-address.ts';

const REPLY_OCTETS = 8;
const CONNECT = '\x04\x01';
/** No address, which says that a name follows the user id. */
const NAME_FOLLOWS = '\0\0\0\x01';

/** What the codes of an answer mean to us; any other is none. */
const VERDICTS: ReadonlyMap<number, 'open' | Cause> = new Map([
  [90, 'open'],
  [91, 'target_unreachable'], // rejected or failed: it has no code of its own for a rule
  [92, 'upstream_auth_failed'], // no identd to ask for the user id
  [93, 'upstream_auth_failed'], // identd tells of another user
]);

export class Socks4Dial implements Handshake {
  readonly unanswered = 'upstream_reset';
  rest: Buffer | null = null;
  readonly #locate: Locate;
  readonly #userId: string;
  #asked = false;
  #pending: Buffer | null = null;

  constructor(locate: Locate, userId: string) {
    this.#locate = locate;
    this.#userId = userId;
  }

  begin(sink: HandshakeSink): void {
    if (this.#userId.includes('\0')) return sink.fail('upstream_auth_failed');
    this.#locate((found) => {
      if (typeof found === 'string') return sink.fail(found);
      const place = placeOf(found.host);
      if (place === null) return sink.fail('upstream_denied_target');
      this.#asked = true;
      sink.send(`${CONNECT}${portOctets(found.port)}${place.address}${this.#userId}\0${place.name}`);
    });
  }

  read(octets: Buffer): 'open' | Cause | null {
    // It speaks before it was asked.
    if (!this.#asked) return 'upstream_protocol';
    const buffer = this.#pending === null ? octets : Buffer.concat([this.#pending, octets]);
    if (buffer[0] !== 0) return 'upstream_protocol';
    const code = buffer[1];
    const verdict = code === undefined ? null : (VERDICTS.get(code) ?? 'upstream_protocol');
    if (verdict !== null && verdict !== 'open') return verdict;
    if (buffer.length < REPLY_OCTETS) {
      this.#pending = Buffer.from(buffer);
      return null;
    }
    this.rest = buffer.length > REPLY_OCTETS ? buffer.subarray(REPLY_OCTETS) : null;
    return 'open';
  }
}

/**
 * The address field and what follows the user id; null for what SOCKS 4 has no way to say. That is IPv6, which it has
 * four octets too few for (`socks4a` could name the address, but who would look that name up?), and 0.0.0.0/8, which is
 * no destination (RFC 1122 section 3.2.1.3) and would promise a name that does not follow. No retry cures
 * either: this upstream does not take this target.
 */
function placeOf(host: string): { readonly address: string; readonly name: string } | null {
  const address = addressOctets(host);
  if (address === null) return { address: NAME_FOLLOWS, name: `${host}\0` };
  return address.length === 4 && address.charCodeAt(0) !== 0 ? { address, name: '' } : null;
}
