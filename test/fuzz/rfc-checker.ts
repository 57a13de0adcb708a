/**
 * An independent reader of HTTP/1.1 requests, for judging what the gateway emits:
 * the ABNF of RFC 9112 and RFC 9110 as regular expressions over whole texts, in
 * another style than the gateway's reader on purpose. Nothing is shared with it.
 *
 * It departs from the grammar in one place: a path and a query may hold every
 * visible octet but `#`, as browsers send `|`, `^`, `{` and others of them raw (WHATWG
 * URL, section 1.3) and the gateway keeps targets byte for byte.
 */
import type { FieldLine, Meaning, Reading } from './meaning.ts';

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const VCHAR = '[\\x21-\\x7e]';
/** RFC 9110 section 5.5: nothing or field-content, which neither starts nor ends with a blank. */
const VALUE = '(?:[\\x21-\\x7e\\x80-\\xff](?:[\\t\\x20-\\x7e\\x80-\\xff]*[\\x21-\\x7e\\x80-\\xff])?)?';
const REQUEST_LINE = new RegExp(`^(${TOKEN}) (${VCHAR}+) HTTP/1\\.([01])$`);
const FIELD_LINE = new RegExp(`^(${TOKEN}):[ \\t]*(${VALUE})[ \\t]*$`);
/** RFC 3986 section 3.2.2 as far as http uses it; what is in the brackets is checked for its alphabet only. */
const AUTHORITY = "(?:\\[[0-9A-Fa-f:.]+\\]|(?:[A-Za-z0-9\\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::[0-9]*)?";
const ABSOLUTE_FORM = new RegExp(`^[Hh][Tt][Tt][Pp]://(${AUTHORITY})(?:[/?][!-"$-~]*)?$`);
const ORIGIN_FORM = /^\/[!-"$-~]*$/;
const AUTHORITY_FORM = new RegExp(`^(${AUTHORITY})$`);
const HOST = new RegExp(`^(?:${AUTHORITY})?$`);
/** RFC 9112 section 7.1.1, quoted strings among it. */
const QUOTED = '"(?:[\\t !#-\\[\\]-~\\x80-\\xff]|\\\\[\\t -~\\x80-\\xff])*"';
const EXTENSIONS = `(?:[ \\t]*;[ \\t]*${TOKEN}(?:[ \\t]*=[ \\t]*(?:${TOKEN}|${QUOTED}))?)*`;
const TEXT = '[\\t\\x20-\\x7e\\x80-\\xff]*';

interface ChunkGrammar {
  readonly line: RegExp;
  readonly trailers: RegExp;
}

const STRICT: ChunkGrammar = {
  line: new RegExp(`([0-9A-Fa-f]+)${EXTENSIONS}\\r\\n`, 'y'),
  trailers: new RegExp(`(?:${TOKEN}:[ \\t]*${VALUE}[ \\t]*\\r\\n)*\\r\\n`, 'y'),
};
/** For what the gateway reads and drops: lines of text whose inside means nothing to it. */
const DROPPED: ChunkGrammar = {
  line: new RegExp(`([0-9A-Fa-f]+)(?:;${TEXT})?\\r\\n`, 'y'),
  trailers: new RegExp(`(?:[!-~\\x80-\\xff]${TEXT}\\r\\n)*\\r\\n`, 'y'),
};

export interface CheckedRequest extends Meaning {
  readonly minor: number;
  /** Index behind its last octet. */
  readonly end: number;
}

export type Checked = CheckedRequest | 'partial' | { readonly refused: string };

/**
 * Reads the request that starts at `from`. A CONNECT takes all the rest as its body. `dropsExtras`: the
 * extensions and trailers of a chunked body are text that goes no further.
 */
export function checkRequest(text: string, from: number, dropsExtras = false): Checked {
  const headEnd = text.indexOf('\r\n\r\n', from);
  if (headEnd === -1) return 'partial';
  const [first = '', ...lines] = text.slice(from, headEnd).split('\r\n');
  const line = REQUEST_LINE.exec(first);
  if (line === null) return { refused: 'not a request line' };
  const [, method = '', target = '', minor = ''] = line;
  const fields: FieldLine[] = [];
  for (const raw of lines) {
    const field = FIELD_LINE.exec(raw);
    if (field === null) return { refused: 'not a field line' };
    fields.push([field[1]!, field[2]!]);
  }
  const fault = faultOfTarget(method, target) ?? faultOfHost(target, Number(minor), valuesOf(fields, 'host'));
  if (fault !== null) return { refused: fault };
  const head = { method, target, fields, minor: Number(minor) };
  const start = headEnd + 4;
  if (method === 'CONNECT') return { ...head, body: text.slice(start), end: text.length };
  const body = readBody(text, start, head, dropsExtras ? DROPPED : STRICT);
  return typeof body === 'object' && 'octets' in body ? { ...head, body: body.octets, end: body.end } : body;
}

/** Reads a whole stream. */
export function checkStream(text: string): Reading {
  const requests: Meaning[] = [];
  let from = 0;
  while (from < text.length) {
    const read = checkRequest(text, from);
    if (read === 'partial' || 'refused' in read) return { requests, tail: read };
    const { method, target, fields, body, end } = read;
    requests.push({ method, target, fields, body });
    from = end;
  }
  return { requests, tail: 'nothing' };
}

/** The values of all fields of this name (lower case), in order. */
export function valuesOf(fields: readonly FieldLine[], name: string): string[] {
  return fields.filter(([n]) => n.toLowerCase() === name).map(([, value]) => value);
}

/** RFC 9112 section 3.2: which form goes with which method. */
function faultOfTarget(method: string, target: string): string | null {
  if (method === 'CONNECT') return AUTHORITY_FORM.test(target) ? null : 'not an authority-form';
  if (ABSOLUTE_FORM.test(target) || ORIGIN_FORM.test(target)) return null;
  return method === 'OPTIONS' && target === '*' ? null : 'not a request target';
}

/** RFC 9112 section 3.2: exactly one, valid, and not at odds with the target. */
function faultOfHost(target: string, minor: number, hosts: readonly string[]): string | null {
  if (hosts.length > 1) return 'more than one Host';
  if (hosts.length === 0) return minor === 1 ? 'no Host' : null;
  return HOST.test(hosts[0]!) ? null : `Host of ${target.slice(0, 20)} is none`;
}

function readBody(
  text: string,
  start: number,
  { fields, minor }: { readonly fields: readonly FieldLine[]; readonly minor: number },
  grammar: ChunkGrammar,
): { octets: string; end: number } | 'partial' | { refused: string } {
  const codings = valuesOf(fields, 'transfer-encoding');
  const lengths = valuesOf(fields, 'content-length');
  if (codings.length > 0) {
    if (lengths.length > 0) return { refused: 'both framings' };
    if (minor === 0) return { refused: 'a coding in HTTP/1.0' };
    if (codings.length > 1 || codings[0]!.toLowerCase() !== 'chunked') return { refused: 'a coding but chunked' };
    return readChunks(text, start, grammar);
  }
  if (lengths.length === 0) return { octets: '', end: start };
  if (lengths.length > 1 || !/^[0-9]+$/.test(lengths[0]!)) return { refused: 'not one length' };
  const end = start + Number(lengths[0]);
  if (!Number.isSafeInteger(end)) return { refused: 'a length beyond every number' };
  return end > text.length ? 'partial' : { octets: text.slice(start, end), end };
}

function readChunks(
  text: string,
  start: number,
  { line: chunkLine, trailers }: ChunkGrammar,
): { octets: string; end: number } | 'partial' | { refused: string } {
  let octets = '';
  let pos = start;
  for (;;) {
    chunkLine.lastIndex = pos;
    const line = chunkLine.exec(text);
    if (line === null) return text.includes('\r\n', pos) ? { refused: 'not a chunk line' } : 'partial';
    const size = Number.parseInt(line[1]!, 16);
    pos = chunkLine.lastIndex;
    if (size === 0) break;
    if (pos + size + 2 > text.length) return 'partial';
    octets += text.slice(pos, pos + size);
    pos += size;
    if (!text.startsWith('\r\n', pos)) return { refused: 'no CRLF behind a chunk' };
    pos += 2;
  }
  trailers.lastIndex = pos;
  if (trailers.test(text)) return { octets, end: trailers.lastIndex };
  return text.startsWith('\r\n', pos) || text.includes('\r\n\r\n', pos) ? { refused: 'not trailers' } : 'partial';
}
