/**
 * The log: pino over one asynchronous destination, as JSON lines or as lines
 * for eyes. Each thread starts its own on the same descriptor.
 *
 * Invariants: one call, one line, whatever the values hold; a stalled reader
 * of the log costs bounded memory and no turn of the event loop, as lines over
 * the bound are dropped; `close()` writes what is pending.
 */
import { isMainThread } from 'node:worker_threads';
import { destination as openDestination, pino, stdTimeFunctions } from 'pino';
import type { Config } from './config.ts';
import { FIELD, type Logger } from './core/log.ts';

/** Characters of one text field; the rest is cut. */
const MAX_FIELD_LENGTH = 512;
/** Nesting and entries of one structured field; the rest is cut. */
const MAX_DEPTH = 4;
const MAX_ENTRIES = 64;
/** Characters that wait for a stalled reader before lines are dropped. */
const MAX_PENDING = 8 * 1_048_576;
/** A write of at most PIPE_BUF bytes is atomic, so that lines of two threads never mix (POSIX.1, write()). */
const ATOMIC_WRITE = 4_096;
/** What JSON leaves as it is but a terminal or a line reader obeys: DEL, C1 controls, U+2028/2029, bidi overrides. */
const UNSAFE = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

export interface Logging {
  readonly log: Logger;
  /** Writes what is pending at once, blocking; for a process that is about to end. */
  flushNow(): void;
  /** Resolves when everything is written; the log takes no more lines then. */
  close(): Promise<void>;
}

/** Starts a log on a descriptor (1 unless told). */
export function startLogging(options: Pick<Config, 'logLevel' | 'logFormat'>, fd = 1): Logging {
  const destination = openDestination({ dest: fd, sync: false, maxLength: MAX_PENDING, maxWrite: ATOMIC_WRITE });
  // A reader that went away (EPIPE) must not end the process; there is nowhere left to say so.
  destination.on('error', () => undefined);
  const sink =
    options.logFormat === 'pretty' ? { write: (line: string) => destination.write(prettyLine(line)) } : destination;
  const logger = pino(
    {
      level: options.logLevel,
      base: isMainThread ? null : { [FIELD.component]: 'control' },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: (fields) => cleanFields(fields, 0) },
      serializers: {},
    },
    sink,
  );
  let closed: Promise<void> | null = null;
  return {
    log: {
      isEnabled: (level) => logger.isLevelEnabled(level),
      debug: (fields, message) => logger.debug(fields, message),
      info: (fields, message) => logger.info(fields, message),
      warn: (fields, message) => logger.warn(fields, message),
      error: (fields, message) => logger.error(fields, message),
    },
    flushNow: () => destination.flushSync(),
    close: () => {
      closed ??= new Promise((resolve) => {
        logger.level = 'silent';
        destination.once('close', resolve);
        destination.once('error', () => resolve());
        destination.end();
      });
      return closed;
    },
  };
}

function cleanFields(fields: object, depth: number): Record<string, unknown> {
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
