/**
 * Who is asking: reads `Proxy-Authorization`, finds the API key by the SHA-256
 * of it, and the selector that came with it. The answer for one header text is
 * cached in a bounded table, as clients send the same text on every request;
 * expiry is checked on every request, and any change of a key empties the table.
 *
 * Forms: `Basic base64(selector:key)`, `Basic base64(key:)`, `Bearer key`.
 * Unknown, revoked, expired and powerless keys end in one and the same cause.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../src/core/clock.ts';
import type { ApiKeyState } from '../src/core/model.ts';
import type { AuthFailure } from './counters.ts';
import { ownCopy } from './http1/octets.ts';
import { parseSelector, type Selector } from './selector.ts';

/** A client that may go on, and what it asked for (null: its selector is not valid). */
export interface Identity {
  readonly key: ApiKeyState;
  readonly selector: Selector | null;
}

/** Why not, for the metric alone: the client is told `auth_required` or `auth_failed`. */
export interface Rejection {
  readonly reason: AuthFailure;
}

export function isRejection(value: Identity | Rejection): value is Rejection {
  return 'reason' in value;
}

const MAX_CACHED = 16_384;
/** Longer credentials are refused undecoded (A03). */
const MAX_HEADER = 1_400;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;

const MISSING: Rejection = { reason: 'missing' };
const MALFORMED: Rejection = { reason: 'malformed' };
const UNKNOWN: Rejection = { reason: 'unknown' };
const EXPIRED: Rejection = { reason: 'expired' };
const FORBIDDEN: Rejection = { reason: 'forbidden' };

export class Credentials {
  readonly #cache = new LRUCache<string, Identity>({ max: MAX_CACHED });
  readonly #findKey: (hash: string) => ApiKeyState | undefined;
  readonly #clock: Clock;

  constructor(findKey: (hash: string) => ApiKeyState | undefined, clock: Clock) {
    this.#findKey = findKey;
    this.#clock = clock;
  }

  /** Forgets every answer: a key was added, changed or revoked. */
  forget(): void {
    this.#cache.clear();
  }

  /** Identifies the client of one request from its two header values. */
  identify(authorization: string | null, selectorHeader: string | null): Identity | Rejection {
    if (authorization === null) return MISSING;
    const cacheKey = selectorHeader === null ? authorization : `${authorization}\n${selectorHeader}`;
    let identity = this.#cache.get(cacheKey);
    if (identity === undefined) {
      const found = this.#look(authorization, selectorHeader);
      if (isRejection(found)) return found;
      identity = found;
      // Only what is understood is kept: the table holds no padding of a client's choice.
      if (identity.selector !== null) this.#cache.set(ownCopy(cacheKey), identity);
    }
    const { expiresAtMs } = identity.key;
    return expiresAtMs !== null && expiresAtMs <= this.#clock.nowMs() ? EXPIRED : identity;
  }

  #look(authorization: string, selectorHeader: string | null): Identity | Rejection {
    const pair = parseAuthorization(authorization);
    if (pair === null) return MALFORMED;
    const digest = createHash('sha256').update(pair.key).digest();
    const key = this.#findKey(digest.toString('hex'));
    // Found by its hash; compared once more in constant time, so that no look-up structure decides alone.
    if (key === undefined || !timingSafeEqual(digest, Buffer.from(key.hash, 'hex'))) return UNKNOWN;
    if (!key.mayUseGateway) return FORBIDDEN;
    const tooLong = selectorHeader !== null && selectorHeader.length > MAX_HEADER;
    return { key, selector: tooLong ? null : parseSelector(pair.username, selectorHeader) };
  }
}

/** The selector text and the raw key of a header value; null unless it is one of the accepted forms. */
function parseAuthorization(value: string): { username: string; key: string } | null {
  if (value.length > MAX_HEADER) return null;
  const space = value.indexOf(' ');
  if (space === -1) return null;
  const scheme = value.slice(0, space).toLowerCase();
  const rest = value.slice(space + 1).trimStart();
  if (scheme === 'bearer') return rest === '' || rest.includes(' ') ? null : { username: '', key: rest };
  if (scheme !== 'basic' || rest === '' || !BASE64.test(rest)) return null;
  const text = Buffer.from(rest, 'base64').toString('latin1');
  const colon = text.indexOf(':');
  if (colon === -1) return null;
  const username = text.slice(0, colon);
  const password = text.slice(colon + 1);
  // A client that has one field only puts the key there: pool `default`.
  if (password === '') return username === '' ? null : { username: '', key: username };
  return { username, key: password };
}
