/**
 * Rules for single fields, and the combinators that put them on a message's
 * fields. `request-rules.ts` is the table that uses them. A rule answers the
 * sentence that a value breaks, or null; it never quotes the value.
 */
import type { DescEnum, Message } from '@bufbuild/protobuf';
import type { Duration } from '@bufbuild/protobuf/wkt';
import { parseDestination } from '../src/core/destinations.ts';
import { SCHEMES } from '../src/core/model.ts';
import type { FieldViolation } from './domain-error.ts';
import { canonicalHost } from './host.ts';
import { POLICIES } from './policies.ts';

export type Rule<V> = (value: V) => string | null;

/** Looks at one field of a message and adds what it finds. */
export type Check<V> = (value: V | undefined, path: string, found: FieldViolation[]) => void;

/** One check a field; a field without one is free. */
export type MessageChecks<M> = { readonly [F in Exclude<keyof M, keyof Message>]?: Check<NonNullable<M[F]>> };

/** Enough to mend a request by; checking stops there. */
const ENOUGH_VIOLATIONS = 20;

/** A field that must be there: absent, empty text and empty bytes count as missing. */
export function required<V>(rule: Rule<V>): Check<V> {
  return (value, path, found) => {
    const missing = value === undefined || (value as { length?: number }).length === 0;
    const broken = missing ? 'is required' : rule(value);
    if (broken !== null) found.push({ field: path, description: broken });
  };
}

/** A field that may be absent. */
export function optional<V>(rule: Rule<V>): Check<V> {
  return (value, path, found) => {
    const broken = value === undefined ? null : rule(value);
    if (broken !== null) found.push({ field: path, description: broken });
  };
}

/** A field that may be absent, and may be empty where that means to clear it. */
export function clearable<V extends { length: number }>(rule: Rule<V>): Check<V> {
  return optional((value) => (value.length === 0 ? null : rule(value)));
}

/** A list of `min` to `max` items, each of which must pass. */
export function each<V>(check: Check<V>, min: number, max: number): Check<V[]> {
  return (items = [], path, found) => {
    if (items.length < min || items.length > max) {
      found.push({ field: path, description: `must have ${min} to ${max} items` });
      return;
    }
    for (let i = 0; i < items.length && found.length < ENOUGH_VIOLATIONS; i++) check(items[i], `${path}[${i}]`, found);
  };
}

/** A list without doubles of at most `max` items, each of which must pass. */
export function distinct<V>(check: Check<V>, max: number): Check<V[]> {
  const all = each(check, 0, max);
  return (items = [], path, found) => {
    all(items, path, found);
    if (new Set(items).size < items.length) found.push({ field: path, description: 'must not hold an item twice' });
  };
}

/** A message inside a message. */
export function nested<M extends object>(checks: MessageChecks<M>): Check<M> {
  return (message, path, found) => {
    if (message !== undefined) checkFields(message, checks, `${path}.`, found);
  };
}

/** Runs the checks of a message's fields; `prefix` is `''` or ends with a dot. */
export function checkFields<M extends object>(
  message: M,
  checks: MessageChecks<M>,
  prefix: string,
  found: FieldViolation[],
): void {
  const rows = checks as Readonly<Record<string, Check<never>>>;
  for (const field in rows) rows[field]?.(message[field as keyof M] as never, prefix + field, found);
}

const KNOWN_SCHEMES: ReadonlySet<string> = new Set(SCHEMES);

export const id: Rule<Uint8Array> = (value) => (value.length === 16 ? null : 'must be 16 bytes');

export const token: Rule<string> = (value) =>
  /^[\x21-\x7e]{1,256}$/.test(value) ? null : 'must be 1–256 visible ASCII characters';

export const scheme: Rule<string> = (value) =>
  KNOWN_SCHEMES.has(value) ? null : `must be one of ${SCHEMES.join(', ')}`;

export const host: Rule<string> = (value) =>
  canonicalHost(value) === null ? 'must be a host name or an IP address in its usual spelling' : null;

export const port: Rule<number> = (value) => (value >= 1 && value <= 65_535 ? null : 'must be 1–65535');

/** User names and passwords: what HTTP and SOCKS authentication can carry without breaking a line. */
export const credential: Rule<string> = (value) => {
  const bytes = Buffer.byteLength(value);
  if (bytes < 1 || bytes > 1_024) return 'must be 1–1024 bytes';
  return /[\0\r\n]/.test(value) ? 'must not hold NUL, CR or LF' : null;
};

/** Names for people: no control, format or unassigned characters. */
export const displayName: Rule<string> = (value) =>
  /^\P{C}{1,64}$/u.test(value) && value.trim() !== '' ? null : 'must be 1–64 visible characters';

export const description: Rule<string> = (value) =>
  Buffer.byteLength(value) <= 1_024 ? null : 'must be 1024 bytes or fewer';

export const limit: Rule<number> = (value) => (value >= 1 && value <= 1_000 ? null : 'must be 1–1000');

/** A number with both bounds inclusive. */
export function between(min: number, max: number): Rule<number> {
  return (value) => (value >= min && value <= max ? null : `must be ${min}–${max}`);
}

const NANOS_PER_MS = 1_000_000;

/** A span of time with both bounds inclusive, milliseconds; `words` says them to people, for example `1s–24h`. */
export function span(minMs: number, maxMs: number, words: string): Rule<Duration> {
  return ({ seconds, nanos }) => {
    // The binary format can carry nanoseconds of any size and sign: they must be what JSON could write.
    if (nanos < 0 || nanos > 999_999_999 || nanos % NANOS_PER_MS !== 0) return `must be ${words} in whole milliseconds`;
    const ms = seconds * 1_000n + BigInt(nanos / NANOS_PER_MS);
    return ms >= minMs && ms <= maxMs ? null : `must be ${words}`;
  };
}

/** A value that the enum names, its `…_UNSPECIFIED` among them: numbers of a later release are refused, not kept. */
export function knownEnum(schema: DescEnum): Rule<number> {
  const names = schema.values.map((value) => value.name).join(', ');
  return (value) => (schema.value[value] === undefined ? `must be one of ${names}` : null);
}

/** An entry of a pool's `destinations`. */
export const destination: Rule<string> = (value) => {
  const parsed = parseDestination(value);
  return typeof parsed === 'string' ? parsed : null;
};

export const version: Rule<bigint> = (value) => (value >= 1n ? null : 'must be 1 or more');

export const labels: Rule<{ readonly [key: string]: string }> = (value) => {
  const entries = Object.entries(value);
  if (entries.length > 16) return 'must have 16 entries or fewer';
  for (const [key, text] of entries) {
    if (!/^[a-z][a-z0-9_]{0,31}$/.test(key)) return 'keys must be [a-z][a-z0-9_]{0,31}';
    if (!/^\P{C}{1,128}$/u.test(text)) return 'values must be 1–128 visible characters';
  }
  return null;
};

export const policy: Rule<string> = (value) =>
  POLICIES.has(value) ? null : `must be one of ${[...POLICIES.keys()].join(', ')}`;

/** Keys and aliases of the username language: `-<key>-` inside a pool's name would end the name there. */
const SELECTOR_KEYS =
  'session|sessid|account|country|cc|city|isp|type|provider|ttl|lifetime|sessionduration|sesstime|strict';
const SELECTOR_INSIDE = new RegExp(`-(${SELECTOR_KEYS})-`);

export const poolName: Rule<string> = (value) => {
  if (!/^[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?$/.test(value)) return 'must be [a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?';
  // The dash at the end: in `us-isp-session-x` the first key that is found ends the name.
  return SELECTOR_INSIDE.test(`${value}-`) ? 'must not hold a -key- of the username language' : null;
};
