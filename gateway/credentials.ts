/**
 * Who is asking: reads `Proxy-Authorization`, finds the API key by the SHA-256
 * of it, and the selector that came with it. The answer for one header text is
 * cached in a bounded table, as clients send the same text on every request, and
 * forgotten when they do no more (`answer-table.ts`);
 * expiry is checked on every request, and any change of a key empties the table.
 *
 * Forms: `Basic base64(selector:key)`, `Basic base64(key:)`, `Bearer key`, and the
 * same pairs in a SOCKS negotiation. Only who sends none of these is asked for in the
 * operator's bindings, which name a key by its id. Unknown, revoked, expired and
 * powerless keys end in one and the same cause, however they were named.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../src/core/clock.ts';
import type { ApiKeyId, ApiKeyState } from '../src/core/model.ts';
import { ownCopy } from '../src/core/own-copy.ts';
import { isSelectorFault, parseSelector, type Selector, type SelectorFault } from '../src/core/selector.ts';
import { AnswerTable } from './answer-table.ts';
import type { BoundIdentity } from './bindings.ts';
import type { AuthFailure } from './counters.ts';

/** A client that may go on, and what it asked for, or why that was not understood. */
export interface Identity {
  readonly key: ApiKeyState;
  readonly selector: Selector | SelectorFault;
  /** `credentials`, or the operator's rule. */
  readonly by: string;
}

/** Where keys are looked up. */
export interface KeyDirectory {
  /** By its SHA-256 in lower-case hex. */
  findKey(hash: string): ApiKeyState | undefined;
  findKeyById(id: ApiKeyId): ApiKeyState | undefined;
}

/** Why not, for the metric alone: the client is told `auth_required` or `auth_failed`. */
export interface Rejection {
  readonly reason: AuthFailure;
}

export function isRejection(value: Identity | Rejection): value is Rejection {
  return 'reason' in value;
}

/** Longer credentials are refused undecoded (A03). */
const MAX_HEADER = 1_400;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;

/** What identified a client that said itself who it is. */
const CREDENTIALS = 'credentials';

const MISSING: Rejection = { reason: 'missing' };
const MALFORMED: Rejection = { reason: 'malformed' };
const UNKNOWN: Rejection = { reason: 'unknown' };
const EXPIRED: Rejection = { reason: 'expired' };
const FORBIDDEN: Rejection = { reason: 'forbidden' };

/** A selector header that is not read at all. */
const UNREAD: SelectorFault = { fault: 'invalid', key: null };

export class Credentials {
  readonly #cache: AnswerTable<Identity>;
  readonly #bound = new Map<BoundIdentity, Identity>();
  readonly #keys: KeyDirectory;
  readonly #clock: Clock;

  constructor(keys: KeyDirectory, clock: Clock) {
    this.#keys = keys;
    this.#clock = clock;
    this.#cache = new AnswerTable(clock);
  }

  /** Forgets every answer: a key was added, changed or revoked. */
  forget(): void {
    this.#cache.clear();
    this.#bound.clear();
  }

  /** Identifies the client of one request from its two header values, or without any from what is bound to it. */
  identify(
    authorization: string | null,
    selectorHeader: string | null,
    binding: BoundIdentity | null,
  ): Identity | Rejection {
    if (authorization === null) return binding === null ? MISSING : this.identifyBound(binding, selectorHeader);
    const cacheKey = selectorHeader === null ? authorization : `${authorization}\n${selectorHeader}`;
    let identity = this.#cache.get(cacheKey);
    if (identity === undefined) {
      const found = this.#look(authorization, selectorHeader);
      if (isRejection(found)) return found;
      identity = found;
      // Only what is understood is kept: the table holds no padding of a client's choice.
      if (!isSelectorFault(identity.selector)) this.#cache.set(ownCopy(cacheKey), identity);
    }
    return this.#current(identity);
  }

  /** Identifies a client by username and password, each latin1 text, one character an octet. */
  identifyPair(username: string, password: string): Identity | Rejection {
    const pair = pairOf(username, password);
    const found = pair === null ? MALFORMED : this.#find(pair, null);
    return isRejection(found) ? found : this.#current(found);
  }

  /**
   * Identifies a client that sent nothing of its own. Its selector is the operator's word: a
   * `Proxy-Selector` of the client's is no valid one here.
   */
  identifyBound(binding: BoundIdentity, selectorHeader: string | null): Identity | Rejection {
    let identity = this.#bound.get(binding);
    if (identity === undefined) {
      const key = this.#keys.findKeyById(binding.keyId);
      if (key === undefined) return UNKNOWN;
      if (!key.mayUseGateway) return FORBIDDEN;
      identity = { key, selector: binding.selector, by: binding.rule };
      this.#bound.set(binding, identity);
    }
    return this.#current(selectorHeader === null ? identity : { ...identity, selector: UNREAD });
  }

  #current(identity: Identity): Identity | Rejection {
    const { expiresAtMs } = identity.key;
    return expiresAtMs !== null && expiresAtMs <= this.#clock.nowMs() ? EXPIRED : identity;
  }

  #look(authorization: string, selectorHeader: string | null): Identity | Rejection {
    const pair = parseAuthorization(authorization);
    return pair === null ? MALFORMED : this.#find(pair, selectorHeader);
  }

  #find(pair: Pair, selectorHeader: string | null): Identity | Rejection {
    const digest = createHash('sha256').update(pair.key).digest();
    const key = this.#keys.findKey(digest.toString('hex'));
    // Found by its hash; compared once more in constant time, so that no look-up structure decides alone.
    if (key === undefined || !timingSafeEqual(digest, Buffer.from(key.hash, 'hex'))) return UNKNOWN;
    if (!key.mayUseGateway) return FORBIDDEN;
    const tooLong = selectorHeader !== null && selectorHeader.length > MAX_HEADER;
    return { key, selector: tooLong ? UNREAD : parseSelector(pair.username, selectorHeader), by: CREDENTIALS };
  }
}

/** The selector text and the raw key. */
interface Pair {
  readonly username: string;
  readonly key: string;
}

/** null unless the header value is one of the accepted forms. */
function parseAuthorization(value: string): Pair | null {
  if (value.length > MAX_HEADER) return null;
  const space = value.indexOf(' ');
  if (space === -1) return null;
  const scheme = value.slice(0, space).toLowerCase();
  // RFC 9110 section 11.4: blanks, and nothing else that looks like one.
  const rest = value.slice(space + 1).replace(/^ +/, '');
  if (scheme === 'bearer') return rest === '' || rest.includes(' ') ? null : { username: '', key: rest };
  if (scheme !== 'basic' || rest === '' || !BASE64.test(rest)) return null;
  const text = Buffer.from(rest, 'base64').toString('latin1');
  const colon = text.indexOf(':');
  if (colon === -1) return null;
  return pairOf(text.slice(0, colon), text.slice(colon + 1));
}

/** A client that has one field only puts the key there: pool `default`. null: both are empty. */
function pairOf(username: string, password: string): Pair | null {
  if (password !== '') return { username, key: password };
  return username === '' ? null : { username: '', key: username };
}
