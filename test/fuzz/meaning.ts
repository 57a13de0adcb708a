/**
 * What a reader takes a stream of octets to mean, and how two of them are compared:
 * the same number of requests, and of each the method, target, header list and body.
 * All text is latin1, one character an octet.
 */

export type FieldLine = readonly [name: string, value: string];

export interface Meaning {
  readonly method: string;
  /** As on the request line. */
  readonly target: string;
  /** In order, values without the blanks around them. */
  readonly fields: readonly FieldLine[];
  /** Without its framing; of a CONNECT: what comes through the tunnel. */
  readonly body: string;
}

/** What one stream means to one reader. */
export interface Reading {
  /** The requests that are complete. */
  readonly requests: readonly Meaning[];
  /** What is behind them: nothing, the start of one more, or what this reader refuses (and how it put it). */
  readonly tail: 'nothing' | 'partial' | { readonly refused: string };
}

/** The first difference in words, or null when both mean the same. `expected` decides what is a tail. */
export function differenceOf(expected: Reading, found: Reading): string | null {
  const count = Math.min(expected.requests.length, found.requests.length);
  for (let i = 0; i < count; i++) {
    const difference = differenceOfMeaning(expected.requests[i]!, found.requests[i]!);
    if (difference !== null) return `request ${i + 1}: ${difference}`;
  }
  if (found.requests.length !== expected.requests.length) {
    const how = typeof found.tail === 'string' ? found.tail : `refused: ${found.tail.refused}`;
    return `${found.requests.length} requests instead of ${expected.requests.length} (then ${how})`;
  }
  if (typeof found.tail === 'object') return `refuses what follows request ${count}: ${found.tail.refused}`;
  if (found.tail !== expected.tail) return `${found.tail} follows request ${count}, not ${describe(expected.tail)}`;
  return null;
}

/** The first difference of two requests in words, or null. Field names differ by more than case only. */
export function differenceOfMeaning(expected: Meaning, found: Meaning): string | null {
  if (expected.method !== found.method) return `method ${quote(found.method)} instead of ${quote(expected.method)}`;
  if (expected.target !== found.target) return `target ${quote(found.target)} instead of ${quote(expected.target)}`;
  const length = Math.max(expected.fields.length, found.fields.length);
  for (let i = 0; i < length; i++) {
    const [a, b] = [lineOf(expected.fields[i]), lineOf(found.fields[i])];
    if (a !== b) return `field ${i + 1} is ${quote(b)} instead of ${quote(a)}`;
  }
  return expected.body === found.body ? null : `body ${quote(found.body)} instead of ${quote(expected.body)}`;
}

function lineOf(field: FieldLine | undefined): string {
  return field === undefined ? '(none)' : `${field[0].toLowerCase()}: ${field[1]}`;
}

function describe(tail: Reading['tail']): string {
  return typeof tail === 'string' ? tail : 'a refusal';
}

/** Octets as a line of printable text, bounded. */
export function quote(octets: string): string {
  const shown = JSON.stringify(octets.slice(0, 300)).replace(
    /[\x7f-\xff]/g,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  return octets.length > 300 ? `${shown}… (${octets.length} octets)` : shown;
}
