/**
 * Books what the gateway carried: asks it every second for the traffic since the
 * last time and adds that to the store. Started by `plane.ts`; closed after the
 * gateway has ended everything, so that a clean stop loses nothing and `kill -9`
 * what was carried since the last second.
 *
 *   gateway ── drainUsage() ──▶ held ── ≤ 5,000 rows a transaction ──▶ usage
 *                                 └ stays held until its transaction is on disk
 *
 * Invariant: what the gateway told is either held here or on disk, never both.
 */
import { setImmediate as pause, setTimeout as sleep } from 'node:timers/promises';
import { FIELD } from '../src/core/log.ts';
import type { UsageDelta } from '../src/core/observed.ts';
import { MAX_REPORT } from '../src/core/usage-tally.ts';
import type { Plane } from './call.ts';
import type { GatewayPort } from './ports.ts';
import { addUsage, isExactUsage, type UsageCounts } from './store/usage.ts';

const INTERVAL_MS = 1_000;
/** Of what a failing store left unwritten; bounds how long other writes wait for a transaction of ours. */
const ROWS_PER_TRANSACTION = 5_000;
/** With so many rows unwritten no more are asked for: they are safe where they are, and bounded there. */
const MAX_HELD = 200_000;
/** At close a store that another program holds, or a full disk, is tried so often, with a pause in between. */
const CLOSING_TRIES = 5;
const CLOSING_PAUSE_MS = 200;

type WriterPlane = Pick<Plane, 'store' | 'log'>;
type WriterPort = Pick<GatewayPort, 'drainUsage'>;

export interface UsageWriter {
  /** Stops, after writing once more. Idempotent. */
  close(): Promise<void>;
}

export function startUsageWriter({ store, log }: WriterPlane, gateway: WriterPort): UsageWriter {
  const held = new Map<string, UsageDelta>();
  let failing = false;
  let underWay: Promise<boolean> | null = null;
  let closing: Promise<void> | null = null;

  /** Takes a report page by page, each on disk before the next is asked for. */
  async function book(): Promise<void> {
    for (let more = true; more; await writeHeld()) {
      if (held.size >= MAX_HELD) continue;
      const page = await gateway.drainUsage();
      for (const delta of page) {
        // One wrong count must not take the others with it.
        if (!hold(held, delta)) log.error({ [FIELD.sessionId]: delta.sessionId }, 'usage is no exact count: refused');
      }
      more = page.length === MAX_REPORT;
    }
  }

  async function writeHeld(): Promise<void> {
    while (held.size > 0) {
      const batch = firstOf(held, ROWS_PER_TRANSACTION);
      await store.write((tx) => addUsage(tx, batch, () => pause()));
      for (const delta of batch) held.delete(keyOf(delta));
    }
  }

  /** One try; false when something is left to do. A failure is told when it begins and when it ends. */
  async function tryToBook(): Promise<boolean> {
    try {
      await book();
      if (failing) log.info({}, 'usage is written again');
      failing = false;
    } catch (error) {
      if (!failing) log.error({ [FIELD.error]: error }, 'usage could not be written: held, and tried again');
      failing = true;
    }
    return !failing;
  }

  function bookNow(): Promise<boolean> {
    underWay ??= tryToBook().finally(() => {
      underWay = null;
    });
    return underWay;
  }

  async function finish(): Promise<void> {
    clearInterval(timer);
    await underWay;
    // A report that a failure cut short began before the gateway's end: only the one after it has everything.
    let reports = 2;
    for (let tries = 1; reports > 0; tries++) {
      if (await bookNow()) reports--;
      else if (tries >= CLOSING_TRIES) return log.error({ rows: held.size }, 'usage was lost');
      else await sleep(CLOSING_PAUSE_MS);
    }
  }

  const timer = setInterval(bookNow, INTERVAL_MS).unref();
  return {
    close() {
      closing ??= finish();
      return closing;
    },
  };
}

/** Adds a delta to what is held of its row; false, and nothing done, where the sum would be rounded. */
function hold(held: Map<string, UsageDelta>, delta: UsageDelta): boolean {
  const key = keyOf(delta);
  const before = held.get(key) ?? NOTHING;
  const sum = {
    ...delta,
    requestCount: before.requestCount + delta.requestCount,
    errorCount: before.errorCount + delta.errorCount,
    bytesOut: before.bytesOut + delta.bytesOut,
    bytesIn: before.bytesIn + delta.bytesIn,
  };
  const exact = isExactUsage(delta) && isExactUsage(sum);
  if (exact) held.set(key, sum);
  return exact;
}

const NOTHING: UsageCounts = { requestCount: 0, errorCount: 0, bytesOut: 0, bytesIn: 0 };

function firstOf(held: ReadonlyMap<string, UsageDelta>, count: number): UsageDelta[] {
  const batch: UsageDelta[] = [];
  for (const delta of held.values()) {
    if (batch.length === count) break;
    batch.push(delta);
  }
  return batch;
}

function keyOf({ workspaceId, day, sessionId, accountName }: UsageDelta): string {
  return `${workspaceId} ${day} ${sessionId} ${accountName}`;
}
