/**
 * Reads a list of upstreams, whatever shape it has, piece by piece as its text comes: of a plain
 * list, a CSV or a squid.conf no more than a line is kept.
 *
 *   push ─▶ its first line that is no comment says what it is ─▶ plain │ csv │ squid   line by line
 *                                                              └▶ json                whole, at the end
 *
 * The command line and the console import with it.
 */
import { type Endpoint, type Problem, problem } from './endpoint.ts';
import { parseJsonList } from './json-list.ts';
import { parsePlainLine } from './plain-line.ts';
import { parseRecord } from './record.ts';
import { isSquidLine, parseSquidLine } from './squid-line.ts';
import { splitRow, type Table, tableOf } from './table.ts';

/** One upstream of a list, or why there is none. */
export interface ListEntry {
  /** Of the line, or of the entry of a JSON list; from 1. */
  readonly number: number;
  readonly found: Endpoint | Problem;
}

/** What a list was taken for. */
export type ListKind = 'plain' | 'csv' | 'squid' | 'json';

const MAX_LINE = 8_192;
const MAX_JSON = 64 * 1_024 * 1_024;
/** An array of anything but an address in brackets, or an object. */
const JSON_START = /^\s*(?:\{|\[\s*[{"[\]])/;
/** What may still become that. */
const MAYBE_JSON = /^\s*\[?\s*$/;
const BYTE_ORDER_MARK = /^\uFEFF/;
const LINE_END = /\r\n|\n|\r/;

export class ListReader {
  /** null until a line has come that says so. */
  kind: ListKind | null = null;
  /** Of a CSV, once its header has come. */
  table: Table | null = null;
  readonly #scheme: string;
  /** The part of the text that is not read yet. */
  #rest = '';
  #number = 0;
  /** A line, or JSON, was too long, and the rest of it is still to come. */
  #skips = false;

  /** `scheme`: of upstreams whose list names none. */
  constructor(scheme = 'http') {
    this.#scheme = scheme;
  }

  /** Takes the next piece of the text; answers what could be read since. */
  push(text: string): ListEntry[] {
    this.#rest += text;
    return this.#read(false);
  }

  /** The text has ended; answers what was left. */
  end(): ListEntry[] {
    return this.#read(true);
  }

  #read(isLast: boolean): ListEntry[] {
    // Of JSON the rest grows long, and each look at it would copy it whole.
    if (this.kind === null && this.#number === 0) {
      this.#rest = this.#rest.replace(BYTE_ORDER_MARK, '');
      if (JSON_START.test(this.#rest)) this.kind = 'json';
    }
    if (this.kind === null && !isLast && this.#rest.length < MAX_LINE && MAYBE_JSON.test(this.#rest)) return [];
    if (this.kind !== 'json') return this.#readLines(isLast);
    if (this.#skips) this.#rest = '';
    else if (this.#rest.length > MAX_JSON) return this.#skip('it is JSON of more than 64 MiB: import it in parts');
    return isLast && !this.#skips ? this.#readJson() : [];
  }

  #readJson(): ListEntry[] {
    const entries = parseJsonList(this.#rest, this.#scheme);
    this.#rest = '';
    if ('problem' in entries) return [{ number: 1, found: entries }];
    return entries.flatMap((endpoints, i) => endpoints.map((found) => ({ number: i + 1, found })));
  }

  #readLines(isLast: boolean): ListEntry[] {
    const lines = this.#rest.split(LINE_END);
    // A carriage return at the end may be the first half of a line's end.
    const isWhole = isLast || (lines.at(-1) === '' && !this.#rest.endsWith('\r'));
    const last = this.#rest.endsWith('\r') && !isLast ? `${lines.splice(-2)[0] ?? ''}\r` : (lines.pop() ?? '');
    this.#rest = isWhole ? '' : last;
    if (isLast && last !== '') lines.push(last);
    const entries = lines.flatMap((line) => this.#readLine(line) ?? []);
    if (this.#rest.length > MAX_LINE) {
      entries.push(...this.#skip(`it is longer than ${MAX_LINE.toLocaleString('en')} characters`));
    }
    return entries;
  }

  /** What is still coming is longer than it may be: that is told once, and the rest of it is dropped. */
  #skip(why: string): ListEntry[] {
    this.#rest = '';
    if (this.#skips) return [];
    this.#skips = true;
    return [{ number: this.#number + 1, found: problem(why) }];
  }

  #readLine(line: string): ListEntry | null {
    const number = ++this.#number;
    if (this.#skips) {
      this.#skips = false;
      return null;
    }
    if (isSilent(line)) return null;
    const found = this.#parse(line);
    return found === null ? null : { number, found };
  }

  #parse(line: string): Endpoint | Problem | null {
    this.kind ??= this.#kindOf(line);
    if (this.kind === 'squid') return parseSquidLine(line);
    if (this.kind === 'plain') return parsePlainLine(line.replace(/\s+#.*$/, '').trim(), this.#scheme);
    const { table } = this;
    this.table ??= tableOf(line);
    return table === null ? null : parseRecord(splitRow(table, line), this.#scheme);
  }

  /** By the first line that is no comment. */
  #kindOf(line: string): ListKind {
    if (tableOf(line) !== null) return 'csv';
    return isSquidLine(line) ? 'squid' : 'plain';
  }
}

/** Nothing, or a comment. */
function isSilent(line: string): boolean {
  return /^\s*(?:$|#|\/\/)/.test(line);
}
