/**
 * The username language: `<pool>[-<key>-<value>]…`, and the same keys in a
 * `Proxy-Selector` header. Pure; its result is cached with the credentials.
 *
 * A value runs to the next `-<known key>-`, so a pool name or a value may hold
 * dashes. Whatever is not understood is refused, never ignored.
 */

import type { LabelKey } from './model.ts';
import { ownCopy } from './own-copy.ts';

export interface Selector {
  /** Pool name; `default` when the client named none. */
  readonly pool: string;
  /** Sticky key, or null. */
  readonly session: string | null;
  /** Durable identity, or null. */
  readonly account: string | null;
  /** Only sessions with these labels; null for any. */
  readonly labels: LabelFilter | null;
  /** Name or id of the only provider; null for any. */
  readonly provider: string | null;
  /** Idle life of this stickiness, before the pool's caps; null: the pool's. */
  readonly ttlMs: number | null;
  /** Overrides the pool's stickiness mode; null: does not. */
  readonly strict: boolean | null;
}

/**
 * A session passes when for each key that is here it has one of the values. Values are in lower case, sorted and
 * distinct, so that equal filters are equal text.
 */
export type LabelFilter = Readonly<Partial<Record<LabelKey, readonly string[]>>>;

/** A selector that asks for nothing but its pool and sticky key. */
export function plainSelector(pool: string, session: string | null): Selector {
  return { pool, session, account: null, labels: null, provider: null, ttlMs: null, strict: null };
}

/** Every key of the language and its aliases; those that map to null are understood but not served yet. */
const KEYS = new Map<string, 'session' | null>([
  ['session', 'session'],
  ['sessid', 'session'],
  ['account', null],
  ['country', null],
  ['cc', null],
  ['city', null],
  ['isp', null],
  ['type', null],
  ['provider', null],
  ['ttl', null],
  ['lifetime', null],
  ['sessionduration', null],
  ['sesstime', null],
  ['strict', null],
]);
const KEY_PATTERN = new RegExp(`-(${[...KEYS.keys()].join('|')})-`);
const STICKY_KEY = /^[A-Za-z0-9._~-]{1,128}$/;
const POOL_NAME = /^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?$/;

/** Reads a proxy username and, if given, a Proxy-Selector that wins over it; null when either is not valid. */
export function parseSelector(username: string, header: string | null): Selector | null {
  const fromUsername = parseUsername(username);
  if (fromUsername === null || header === null) return fromUsername;
  const values = parseHeader(header);
  return values === null
    ? null
    : plainSelector(values.get('pool') ?? fromUsername.pool, values.get('session') ?? fromUsername.session);
}

function parseUsername(username: string): Selector | null {
  const values = new Map<string, string>();
  // Odd pieces are keys, each followed by its value: split keeps what the group matched.
  const pieces = username.split(KEY_PATTERN);
  for (let i = 1; i < pieces.length; i += 2) {
    if (!put(values, pieces[i]!, pieces[i + 1]!)) return null;
  }
  return checked(pieces[0]!, values.get('session') ?? null);
}

/** `key=value; key=value`, keys as in the username, plus `pool`. */
function parseHeader(header: string): Map<string, string> | null {
  const values = new Map<string, string>();
  for (const part of header.split(';')) {
    const equals = part.indexOf('=');
    if (equals === -1) return null;
    const key = trimBlanks(part.slice(0, equals)).toLowerCase();
    const value = trimBlanks(part.slice(equals + 1));
    if (key === 'pool') {
      if (values.has('pool') || !POOL_NAME.test(value)) return null;
      values.set('pool', value);
    } else if (!put(values, key, value)) return null;
  }
  return values;
}

/** Blanks and tabs only: `trim` takes off what is no white space in a header. */
function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text[start]!)) start++;
  while (end > start && isBlank(text[end - 1]!)) end--;
  return text.slice(start, end);
}

function isBlank(character: string): boolean {
  return character === ' ' || character === '\t';
}

function put(values: Map<string, string>, key: string, raw: string): boolean {
  const name = KEYS.get(key);
  if (name === undefined || name === null || values.has(name)) return false;
  const value = decodeOnce(raw);
  if (value === null || !STICKY_KEY.test(value)) return false;
  // It may become a sticky key, which lives for a day.
  values.set(name, ownCopy(value));
  return true;
}

function checked(pool: string, session: string | null): Selector | null {
  if (pool === '') return plainSelector('default', session);
  return POOL_NAME.test(pool) ? plainSelector(pool, session) : null;
}

function decodeOnce(text: string): string | null {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    // Not percent-encoding: the value is refused, as the language has no literal `%`.
    return null;
  }
}
