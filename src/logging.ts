/**
 * The log: pino over one asynchronous destination, as JSON lines or as lines
 * for eyes. Each thread starts its own on the same descriptor. Lines of a fixed
 * shape are written past pino, whose look at each name and value anew would cost
 * a request half of what forwarding it does; they read as if pino had made them.
 *
 *   debug … error ─▶ pino ──────┐ (at once, behind what waits)
 *   linesOf ─▶ `log-text.ts` ───┴▶ `line-batch.ts` ─▶ destination
 *
 * Invariants: one call, one line, whatever the values hold, in the order of the
 * calls; a stalled reader of the log costs bounded memory and no turn of the event
 * loop, as lines over the bound are dropped; `close()`, and the end of the process
 * unless it is killed, write what is pending.
 */
import { fstatSync, writeSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { destination as openDestination, pino } from 'pino';
import type { Config } from './config.ts';
import { FIELD, type Logger } from './core/log.ts';
import { LineBatch } from './line-batch.ts';
import { cleanFields, linesOf, prettyLine } from './log-text.ts';

/** Characters that wait for a stalled reader before lines are dropped. */
const MAX_PENDING = 8 * 1_048_576;
/** A write of at most PIPE_BUF bytes is atomic, so that lines of two threads never mix (POSIX.1, write()). */
const ATOMIC_WRITE = 4_096;
/** In a regular file no two writes mix, of whatever size (POSIX.1, 2.9.7). */
const FILE_WRITE = 32_768;

export interface Logging {
  readonly log: Logger;
  /** Writes what is pending at once, blocking; for a process that is about to end. */
  flushNow(): void;
  /** Resolves when everything is written; the log takes no more lines then. */
  close(): Promise<void>;
}

/** Starts a log on a descriptor (1 unless told). */
export function startLogging({ logLevel, logFormat }: Pick<Config, 'logLevel' | 'logFormat'>, fd = 1): Logging {
  const maxWrite = fstatSync(fd).isFile() ? FILE_WRITE : ATOMIC_WRITE;
  const destination = openDestination({ dest: fd, sync: false, maxLength: MAX_PENDING, maxWrite });
  // A reader that went away (EPIPE) must not end the process; there is nowhere left to say so.
  destination.on('error', () => undefined);
  const batch = new LineBatch((lines) => destination.write(lines), maxWrite);
  const shown = logFormat === 'pretty' ? prettyLine : (line: string) => line;
  const tellTime = timeTeller();
  const base = isMainThread ? {} : { [FIELD.component]: 'control' };
  const logger = pino(
    {
      level: logLevel,
      base,
      timestamp: () => `,"time":"${tellTime()}"`,
      formatters: { level: (label) => ({ level: label }), log: (fields) => cleanFields(fields) },
      serializers: {},
    },
    {
      write: (line: string) => {
        batch.handOver();
        destination.write(shown(line));
      },
    },
  );
  let closed: Promise<void> | null = null;
  return {
    log: {
      isEnabled: (level) => logger.isLevelEnabled(level),
      debug: (fields, message) => logger.debug(fields, message),
      info: (fields, message) => logger.info(fields, message),
      warn: (fields, message) => logger.warn(fields, message),
      error: (fields, message) => logger.error(fields, message),
      linesOf: (shape) => {
        const lineOf = linesOf(shape, base);
        return (of) => {
          if (logger.isLevelEnabled('info')) batch.add(shown(lineOf(tellTime(), of)));
        };
      },
    },
    flushNow: () => {
      if (closed !== null) return;
      const rest = batch.take();
      try {
        destination.flushSync();
        if (rest !== '') writeSync(fd, rest);
      } catch {
        // As above.
      }
    },
    close: () => {
      closed ??= new Promise((resolve) => {
        logger.level = 'silent';
        batch.close();
        destination.once('close', resolve);
        destination.once('error', () => resolve());
        destination.end();
      });
      return closed;
    },
  };
}

/** Tells the time as in `2026-01-31T12:00:00.000Z`; a busy gateway asks many times in a millisecond. */
function timeTeller(): () => string {
  let ms = 0;
  let text = '';
  return () => {
    const nowMs = Date.now();
    if (nowMs !== ms) {
      ms = nowMs;
      text = new Date(nowMs).toISOString();
    }
    return text;
  };
}
