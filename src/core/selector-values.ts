/**
 * What the values of the username language may be, kind by kind. Pure; called by
 * `selector.ts` for each key that a client names, before anything else looks at one.
 *
 * Every reader takes the text as it was sent, decodes percent-encoding once, and answers
 * null for what is not of its grammar. Text that it answers is a copy of its own.
 */
import { ownCopy } from './own-copy.ts';

const NAME = /^[A-Za-z0-9._~-]{1,128}$/;
const LABEL_VALUE = /^[A-Za-z0-9._~ -]{1,64}$/;
const VISIBLE = /^\P{C}{1,64}$/u;
const DURATION = /^([0-9]{1,9})([smh]?)$/;
/** The same octets mean one character in a header and another in a setting, so all else has to be encoded. */
const ASCII = /^[ -~]*$/;

const MAX_VALUES = 16;
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const MAX_DURATION_MS = 365 * 24 * HOUR_MS;

/** A sticky key or an account: 1–128 unreserved characters (RFC 3986 section 2.3). */
export function nameValue(raw: string): string | null {
  const value = decodeOnce(raw);
  return value !== null && NAME.test(value) ? ownCopy(value) : null;
}

/** Any of 1–16 values between commas, in lower case, sorted and distinct. A comma parts them before they are decoded. */
export function labelValues(raw: string): readonly string[] | null {
  const pieces = raw.split(',', MAX_VALUES + 1);
  if (pieces.length > MAX_VALUES) return null;
  const values = new Set<string>();
  for (const piece of pieces) {
    const value = decodeOnce(trimBlanks(piece));
    if (value === null || !LABEL_VALUE.test(value)) return null;
    // `toLowerCase` copies.
    values.add(value.toLowerCase());
  }
  return [...values].sort();
}

/** A provider's name or id, 1–64 visible characters, kept as it is. */
export function providerValue(raw: string): string | null {
  const value = decodeOnce(raw);
  return value !== null && VISIBLE.test(value) ? ownCopy(value) : null;
}

/** Milliseconds from 1 s to 365 days, of whole minutes, or of whole seconds, minutes or hours with their letter. */
export function durationValue(raw: string): number | null {
  const match = DURATION.exec(decodeOnce(raw) ?? '');
  if (match === null) return null;
  const unitMs = match[2] === 's' ? SECOND_MS : match[2] === 'h' ? HOUR_MS : MINUTE_MS;
  const ms = Number(match[1]) * unitMs;
  return ms >= SECOND_MS && ms <= MAX_DURATION_MS ? ms : null;
}

export function booleanValue(raw: string): boolean | null {
  const value = decodeOnce(raw);
  return value === 'true' ? true : value === 'false' ? false : null;
}

/** Blanks and tabs only: `trim` takes off what is no white space in a header. */
export function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text[start]!)) start++;
  while (end > start && isBlank(text[end - 1]!)) end--;
  return text.slice(start, end);
}

function isBlank(character: string): boolean {
  return character === ' ' || character === '\t';
}

function decodeOnce(text: string): string | null {
  if (!ASCII.test(text)) return null;
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    // Not percent-encoding: the value is refused, as the language has no literal `%`.
    return null;
  }
}
