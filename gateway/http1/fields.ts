/**
 * The header section of a message, request or reply: strict lines in, and out
 * come the few fields that frame or route the message and one text of the lines
 * that travel on, byte for byte in order and case.
 *
 * Strict means RFC 9112 section 5 with nothing forgiven: every line ends in
 * CRLF, no folding, no blank before the colon, names are tokens, values hold no
 * control octet. Used by `request-head.ts` and `reply-head.ts`, never alone.
 */
import { fieldValueEnd, isToken, tokenEnd, trimOws } from './octets.ts';

/** Fields that we read or never forward; the rest is end-to-end text to us. */
const KNOWN = new Map<string, keyof KnownFields | 'drop'>([
  ['host', 'host'],
  ['content-length', 'contentLength'],
  ['transfer-encoding', 'transferEncoding'],
  ['connection', 'connection'],
  ['proxy-authorization', 'proxyAuthorization'],
  ['proxy-selector', 'proxySelector'],
  ['expect', 'expect'],
  ['upgrade', 'upgrade'],
  ['proxy-connection', 'drop'],
  ['keep-alive', 'drop'],
  ['te', 'drop'],
  ['trailer', 'drop'],
  ['proxy-authenticate', 'drop'],
  ['proxy-authentication-info', 'drop'],
  ['http2-settings', 'drop'],
]);
/** 1 where a known name has this first letter and this length: most lines are told to be unknown by one look. */
const KNOWN_SHAPES = new Uint8Array(32 * 32);
for (const name of KNOWN.keys()) KNOWN_SHAPES[shapeOf(name.charCodeAt(0), name.length)] = 1;

/** A letter's case does not matter; names longer than 31 share the shape of no known one. */
function shapeOf(first: number, length: number): number {
  return length < 32 ? (first & 31) * 32 + length : 0;
}

/** Each is null while absent. A second occurrence of any but Connection sets `repeated`. */
export interface KnownFields {
  host: string | null;
  contentLength: string | null;
  transferEncoding: string | null;
  /** All Connection lines, joined with commas. */
  connection: string | null;
  proxyAuthorization: string | null;
  proxySelector: string | null;
  expect: string | null;
  upgrade: string | null;
}

export interface FieldSection extends KnownFields {
  /** A known field other than Connection came twice. */
  repeated: boolean;
  /** Lines that travel on, each with its CRLF. */
  endToEnd: string;
}

export type FieldError = 'malformed' | 'too_many';

/** Options that a Connection field may name without naming a header of the message. */
const HARMLESS_OPTIONS = new Set([
  'close',
  'keep-alive',
  'upgrade',
  'te',
  'trailer',
  'proxy-connection',
  'http2-settings',
]);
/** Fields that nobody may have removed by naming them in Connection (E13): they carry meaning to the end. */
const PROTECTED = new Set([
  'host', 'content-length', 'transfer-encoding', 'content-type', 'content-encoding', 'content-range', 'content-location',
  'authorization', 'www-authenticate', 'proxy-authorization', 'cookie', 'set-cookie', 'cache-control', 'pragma', 'vary',
  'expect', 'range', 'if-match', 'if-none-match', 'if-range', 'if-modified-since', 'if-unmodified-since', 'max-forwards',
  'via', 'forwarded', 'x-forwarded-for', 'origin', 'date', 'etag', 'location', 'strict-transport-security',
]); // biome-ignore format: one list

/**
 * Reads the header lines of a head from `start` to the end of `text`, each ended by
 * CRLF, without the final empty line; `maxLines` bounds their number exactly.
 * `octets` are the same head: checked there, at a third of the cost of characters
 * (`bench/micro/head.ts`), and copied from the text, where a slice costs nothing.
 */
export function parseFields(
  octets: Uint8Array,
  text: string,
  start: number,
  maxLines: number,
): FieldSection | FieldError {
  const end = text.length;

  const section: FieldSection = {
    host: null,
    contentLength: null,
    transferEncoding: null,
    connection: null,
    proxyAuthorization: null,
    proxySelector: null,
    expect: null,
    upgrade: null,
    repeated: false,
    endToEnd: '',
  };
  let lines = 0;
  let keptFrom = start;
  let pos = start;
  while (pos < end) {
    if (++lines > maxLines) return 'too_many';
    const colon = tokenEnd(octets, pos);
    if (colon === pos || octets[colon] !== 0x3a) return 'malformed';
    const lineEnd = fieldValueEnd(octets, colon + 1);
    if (octets[lineEnd] !== 0x0d || octets[lineEnd + 1] !== 0x0a) return 'malformed';
    if (KNOWN_SHAPES[shapeOf(octets[pos]!, colon - pos)] === 1) {
      const known = KNOWN.get(text.slice(pos, colon).toLowerCase());
      if (known !== undefined) {
        if (keptFrom < pos) section.endToEnd += text.slice(keptFrom, pos);
        keptFrom = lineEnd + 2;
        if (known !== 'drop') keep(section, known, trimOws(text, colon + 1, lineEnd));
      }
    }
    pos = lineEnd + 2;
  }
  if (keptFrom < end) section.endToEnd += text.slice(keptFrom, end);
  return section.connection === null ? section : withoutNominated(section);
}

function keep(section: FieldSection, field: keyof KnownFields, value: string): void {
  const before = section[field];
  if (before === null) section[field] = value;
  else if (field === 'connection') section.connection = `${before},${value}`;
  else section.repeated = true;
}

/** Removes the lines that Connection names (RFC 9110 section 7.6.1). */
function withoutNominated(section: FieldSection): FieldSection | FieldError {
  if (HARMLESS_OPTIONS.has(section.connection!.toLowerCase())) return section;
  let nominated: Set<string> | null = null;
  for (const option of section.connection!.split(',')) {
    const name = trimOws(option, 0, option.length).toLowerCase();
    if (name === '' || HARMLESS_OPTIONS.has(name)) continue;
    if (PROTECTED.has(name) || !isToken(name, 0, name.length)) return 'malformed';
    nominated ??= new Set();
    nominated.add(name);
  }
  if (nominated === null) return section;
  let kept = '';
  const text = section.endToEnd;
  for (let pos = 0; pos < text.length; ) {
    const next = text.indexOf('\r\n', pos) + 2;
    if (!nominated.has(text.slice(pos, text.indexOf(':', pos)).toLowerCase())) kept += text.slice(pos, next);
    pos = next;
  }
  section.endToEnd = kept;
  return section;
}

/** Whether the Connection value has this option (lower case). */
export function hasOption(connection: string | null, option: string): boolean {
  if (connection === null) return false;
  if (connection.length === option.length) return connection.toLowerCase() === option;
  if (!connection.includes(',')) return false;
  return connection.split(',').some((part) => trimOws(part, 0, part.length).toLowerCase() === option);
}

/** A Content-Length in canonical digits that a number holds exactly (up to 2^53 - 1), else -1. */
export function parseContentLength(text: string): number {
  if (text.length === 0 || text.length > 16) return -1;
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length > Number.MAX_SAFE_INTEGER || (text.length > 1 && text.charCodeAt(0) === 0x30) ? -1 : length;
}
