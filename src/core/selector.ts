/**
 * The username language: `<pool>[-<key>-<value>]…`, and the same keys in a
 * `Proxy-Selector` header. Pure; its result is cached with the credentials. What the
 * values may be stands in `selector-values.ts`.
 *
 * A value runs to the next `-<known key>-`, so a pool name or a value may hold
 * dashes. Whatever is not understood is refused by name, never ignored.
 */
import { CompiledFilter, type LabelFilter } from './label-filter.ts';
import { LABEL_KEYS, type LabelKey } from './model.ts';
import { ownCopy } from './own-copy.ts';
import { booleanValue, durationValue, labelValues, nameValue, providerValue, trimBlanks } from './selector-values.ts';

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

/** The canonical name of a key; aliases are no names of their own. */
export type SelectorKey = 'session' | 'account' | LabelKey | 'provider' | 'ttl' | 'strict';

/** Why a selector was refused: the first thing that was found wrong with it. */
export interface SelectorFault {
  readonly fault: 'unknown' | 'doubled' | 'invalid';
  /** null: a key that is not known, or the form of the whole. */
  readonly key: SelectorKey | 'pool' | null;
}

/** Whether it was refused. */
export function isSelectorFault(value: Selector | SelectorFault): value is SelectorFault {
  return 'fault' in value;
}

/** A selector that asks for nothing but its pool and sticky key. */
export function plainSelector(pool: string, session: string | null): Selector {
  return { pool, session, account: null, labels: null, provider: null, ttlMs: null, strict: null };
}

/** Every key of the language and its aliases, by what they are called here. */
const KEYS: ReadonlyMap<string, SelectorKey> = new Map<string, SelectorKey>([
  ['session', 'session'],
  ['sessid', 'session'],
  ['account', 'account'],
  ['country', 'country'],
  ['cc', 'country'],
  ['city', 'city'],
  ['isp', 'isp'],
  ['type', 'type'],
  ['provider', 'provider'],
  ['ttl', 'ttl'],
  ['lifetime', 'ttl'],
  ['sessionduration', 'ttl'],
  ['sesstime', 'ttl'],
  ['strict', 'strict'],
]);
const KEY_PATTERN = new RegExp(`-(${[...KEYS.keys()].join('|')})-`);
const POOL_NAME = /^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?$/;

/** What one of the two places asks for; null: nothing. */
interface Asked extends Record<LabelKey, readonly string[] | null> {
  pool: string | null;
  session: string | null;
  account: string | null;
  provider: string | null;
  ttl: number | null;
  strict: boolean | null;
}

/** Reads a proxy username and, if given, a Proxy-Selector, which wins over it key by key; the fault when either has one. */
export function parseSelector(username: string, header: string | null): Selector | SelectorFault {
  const asked = nothingAsked();
  const fault = readUsername(username, asked);
  if (fault !== null || header === null) return fault ?? selectorOf(asked, asked);
  const over = nothingAsked();
  return readHeader(header, over) ?? selectorOf(over, asked);
}

function nothingAsked(): Asked {
  return {
    pool: null,
    session: null,
    account: null,
    country: null,
    city: null,
    isp: null,
    type: null,
    provider: null,
    ttl: null,
    strict: null,
  };
}

/** `<pool>[-<key>-<value>]…` into `asked`; the first fault in it. */
function readUsername(username: string, asked: Asked): SelectorFault | null {
  // Odd pieces are keys, each followed by its value: split keeps what the group matched.
  const pieces = username.split(KEY_PATTERN);
  const pool = pieces[0]!;
  if (pool !== '' && !putPool(asked, pool)) return { fault: 'invalid', key: 'pool' };
  for (let i = 1; i < pieces.length; i += 2) {
    const fault = put(asked, KEYS.get(pieces[i]!)!, pieces[i + 1]!);
    if (fault !== null) return fault;
  }
  return null;
}

/** `key=value; key=value`, keys as in the username in any case, plus `pool`, into `asked`; the first fault in it. */
function readHeader(header: string, asked: Asked): SelectorFault | null {
  for (const part of header.split(';')) {
    const equals = part.indexOf('=');
    if (equals === -1) return { fault: 'invalid', key: null };
    const name = trimBlanks(part.slice(0, equals)).toLowerCase();
    const value = trimBlanks(part.slice(equals + 1));
    if (name === 'pool') {
      if (asked.pool !== null) return { fault: 'doubled', key: 'pool' };
      if (!putPool(asked, value)) return { fault: 'invalid', key: 'pool' };
      continue;
    }
    const key = KEYS.get(name);
    if (key === undefined) return { fault: 'unknown', key: null };
    const fault = put(asked, key, value);
    if (fault !== null) return fault;
  }
  return null;
}

function putPool(asked: Asked, name: string): boolean {
  if (!POOL_NAME.test(name)) return false;
  asked.pool = ownCopy(name);
  return true;
}

/** `key` is one of the table's, never text of a client's. */
function put(asked: Asked, key: SelectorKey, raw: string): SelectorFault | null {
  if (asked[key] !== null) return { fault: 'doubled', key };
  switch (key) {
    case 'session':
    case 'account':
      asked[key] = nameValue(raw);
      break;
    case 'provider':
      asked.provider = providerValue(raw);
      break;
    case 'ttl':
      asked.ttl = durationValue(raw);
      break;
    case 'strict':
      asked.strict = booleanValue(raw);
      break;
    default:
      asked[key] = labelValues(raw);
  }
  return asked[key] === null ? { fault: 'invalid', key } : null;
}

/** What `first` asks for, and beyond that what `second` does. */
function selectorOf(first: Asked, second: Asked): Selector {
  return {
    pool: first.pool ?? second.pool ?? 'default',
    session: first.session ?? second.session,
    account: first.account ?? second.account,
    labels: labelsOf(first, second),
    provider: first.provider ?? second.provider,
    ttlMs: first.ttl ?? second.ttl,
    strict: first.strict ?? second.strict,
  };
}

/** Keys come in one order, whatever the order that they were sent in. */
function labelsOf(first: Asked, second: Asked): LabelFilter | null {
  let labels: { [key in LabelKey]?: readonly string[] } | null = null;
  for (const key of LABEL_KEYS) {
    const values = first[key] ?? second[key];
    if (values === null) continue;
    labels ??= {};
    labels[key] = values;
  }
  return labels === null ? null : new CompiledFilter(labels);
}
