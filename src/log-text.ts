/**
 * What values look like in a line of the log: fields that are taken apart as they
 * come, fields of a fixed shape, and a JSON line made readable. Pure.
 *
 * Invariant: whatever a value holds, its text is bounded and has no character that
 * ends a line or that a terminal obeys.
 */
import type { LineShape, LineValue } from './core/log.ts';

/** Characters of one text field; the rest is cut. */
const MAX_FIELD_LENGTH = 512;
/** Nesting and entries of one structured field; the rest is cut. */
const MAX_DEPTH = 4;
const MAX_ENTRIES = 64;
/** What JSON leaves as it is but a terminal or a line reader obeys: DEL, C1 controls, U+2028/2029, bidi overrides. */
const UNSAFE = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
/** Text that is the same in JSON: ASCII that shows, but for the quotation mark and the backslash. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** Fields of any kind, as they may go into a line. */
export function cleanFields(fields: object, depth = 0): Record<string, unknown> {
  const clean: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields).slice(0, MAX_ENTRIES))
    clean[cleanText(name)] = cleanValue(value, depth);
  return clean;
}

function cleanValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Error) return cleanText(`${value.name}: ${value.message}`);
  if (depth >= MAX_DEPTH) return '[deep]';
  if (Array.isArray(value)) return value.slice(0, MAX_ENTRIES).map((item) => cleanValue(item, depth + 1));
  // What knows how to show itself (a redacted secret, a date) decides.
  if ('toJSON' in value && typeof value.toJSON === 'function') return cleanValue(value.toJSON(), depth + 1);
  return cleanFields(value, depth + 1);
}

function cleanText(text: string): string {
  const short = text.length > MAX_FIELD_LENGTH ? `${text.slice(0, MAX_FIELD_LENGTH)}…` : text;
  return short.replace(UNSAFE, (char) => `<U+${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}>`);
}

/**
 * The text of lines of one shape, for the time that is given: to the octet what pino makes of the same fields when
 * they have passed `cleanFields`, much more cheaply. `base` is what all lines of this log say.
 */
export function linesOf<T>(
  { message, fields }: LineShape<T>,
  base: Readonly<Record<string, string>>,
): (time: string, of: T) => string {
  const ours = Object.entries(base)
    .map(([name, value]) => `,${quoted(name)}:${quoted(value)}`)
    .join('');
  const members = fields.map(([name, read]) => new Member(name, read));
  const end = `,"msg":${JSON.stringify(message)}}\n`;
  return (time, of) => {
    let text = `{"level":"info","time":"${time}"${ours}`;
    for (const member of members) text += member.textOf(of);
    return text + end;
  };
}

/** A field of a shape. Most of what a line says was said by the line before, so its text is kept. */
class Member<T> {
  readonly #start: string;
  readonly #read: (of: T) => LineValue;
  #value: LineValue;
  #text = '';

  constructor(name: string, read: (of: T) => LineValue) {
    this.#start = `,${quoted(name)}:`;
    this.#read = read;
  }

  textOf(of: T): string {
    const value = this.#read(of);
    if (value !== this.#value) {
      this.#value = value;
      this.#text = value === undefined ? '' : this.#start + jsonOf(value);
    }
    return this.#text;
  }
}

function jsonOf(value: string | number): string {
  if (typeof value === 'string') return quoted(value);
  return Number.isFinite(value) ? String(value) : 'null';
}

function quoted(text: string): string {
  return text.length <= MAX_FIELD_LENGTH && PLAIN.test(text) ? `"${text}"` : JSON.stringify(cleanText(text));
}

/** `12:00:00.000 INFO  message  field=value …` from a JSON line; values stay quoted unless they are plain words. */
export function prettyLine(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const clock = String(time).slice(11, 23);
  const shown = Object.entries(fields).map(([name, value]) => `${plainOrQuoted(name)}=${plainOrQuoted(value)}`);
  return `${[`${clock} ${String(level).toUpperCase().padEnd(5)} ${plainText(String(msg))}`, ...shown].join('  ')}\n`;
}

function plainOrQuoted(value: unknown): string {
  return typeof value === 'string' && /^[\w.:/@[\]+-]+$/.test(value) ? value : JSON.stringify(value);
}

/** A message is ours and fixed; were it ever not, it still could not leave its line. */
function plainText(text: string): string {
  return JSON.stringify(cleanText(text)).slice(1, -1);
}
