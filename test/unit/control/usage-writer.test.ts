import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Store } from '../../../control/store/database.ts';
import { StoreError } from '../../../control/store/store-error.ts';
import { walkUsage } from '../../../control/store/usage.ts';
import { startUsageWriter } from '../../../control/usage-writer.ts';
import { type Logger, silentLog } from '../../../src/core/log.ts';
import type { UsageDelta } from '../../../src/core/observed.ts';
import { MAX_REPORT } from '../../../src/core/usage-tally.ts';
import { freshStore, newId } from '../../helpers/store-rig.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const workspaceId = newId() as UsageDelta['workspaceId'];

function delta(over: Partial<UsageDelta> = {}): UsageDelta {
  return {
    ...{ workspaceId, poolId: newId(), providerId: newId(), sessionId: newId(), accountName: '', day: 20_000 },
    ...{ requestCount: 1, errorCount: 0, bytesOut: 10, bytesIn: 20 },
    ...over,
  };
}

/** A real store whose writes fail while told to, a gateway that tells what is put into it, and a log that remembers. */
async function startRig() {
  const real = await freshStore();
  const lines: string[] = [];
  const keep = (_fields: object, message: string) => void lines.push(message);
  const log: Logger = { ...silentLog, warn: keep, error: keep, info: keep };
  let told: UsageDelta[] = [];
  let report: UsageDelta[] | null = null;
  let asked = 0;
  let tries = 0;
  let failing = false;
  let locked = false;
  const store: Store = Object.assign(Object.create(real), {
    write: (work: Parameters<Store['write']>[0]) => {
      tries++;
      if (locked) return Promise.reject(new StoreError('busy', 'another program holds the store'));
      if (!failing) return real.write(work);
      // The transaction is begun and undone: what the writer's own work did must be of no effect.
      const undone = async (tx: Parameters<typeof work>[0]) => {
        await work(tx);
        throw new StoreError('full', 'the disk is full');
      };
      return real.write(undone);
    },
  });
  const writer = startUsageWriter(
    { store, log },
    {
      async drainUsage() {
        asked++;
        // As the gateway: a report has what was told when it began, and is read page by page.
        if (report === null) {
          report = told;
          told = [];
        }
        const page = report.splice(0, MAX_REPORT);
        if (page.length < MAX_REPORT) report = null;
        return page;
      },
    },
  );
  const stored = () =>
    walkUsage(
      real.db,
      { workspaceId, sessionId: null, accountName: null, poolId: null, providerId: null },
      { after: null, startDay: 0, endDay: 100_000, limit: 100_000 },
    );
  return {
    writer,
    lines,
    stored,
    tell: (...deltas: UsageDelta[]) => {
      told = told.concat(deltas);
    },
    /** Adds so many rows of one session, each of another account. */
    tellMany: (count: number) => {
      const one = delta();
      told = told.concat(Array.from({ length: count }, (_, i) => ({ ...one, accountName: `a${i}` })));
    },
    fail: (on: boolean) => {
      failing = on;
    },
    lock: () => {
      locked = true;
    },
    counts: () => ({ asked, tries }),
    /** One second passes, and what it set off ends. */
    async tick(): Promise<void> {
      const before = { asked, tries };
      await vi.advanceTimersByTimeAsync(1_000);
      await vi.waitFor(() => expect(asked + tries).toBeGreaterThan(before.asked + before.tries), { timeout: 10_000 });
      // Whatever was queued at the store is through when a write of ours is.
      await real.write(async () => undefined);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test('asks every second, and adds to what is there', async () => {
  const rig = await startRig();
  const one = delta();
  rig.tell(one);
  await rig.tick();
  rig.tell(one, delta());
  await rig.tick();
  expect((await rig.stored()).map(({ requestCount }) => requestCount).sort()).toEqual([1n, 2n]);
  await rig.writer.close();
});

test('a second without traffic writes nothing', async () => {
  const rig = await startRig();
  await rig.tick();
  await rig.tick();
  expect(rig.counts()).toEqual({ asked: 2, tries: 0 });
  await rig.writer.close();
});

test('what could not be written is held, merged, and written once later; the streak is told twice, not each try', async () => {
  const rig = await startRig();
  const one = delta();
  rig.fail(true);
  for (let i = 0; i < 3; i++) {
    rig.tell(one);
    await rig.tick();
  }
  expect(await rig.stored()).toEqual([]);
  rig.fail(false);
  rig.tell(one, delta());
  await rig.tick();
  expect((await rig.stored()).map(({ bytesIn }) => bytesIn).sort()).toEqual([20n, 80n]);
  expect(rig.lines).toEqual(['usage could not be written: held, and tried again', 'usage is written again']);
  await rig.writer.close();
  expect((await rig.stored()).map(({ bytesIn }) => bytesIn).sort()).toEqual([20n, 80n]);
});

test('closing asks once more, and tries again where the store is slow to take it', async () => {
  const rig = await startRig();
  rig.fail(true);
  rig.tell(delta());
  await rig.tick();
  const closed = rig.writer.close();
  await vi.waitFor(() => expect(rig.counts().tries).toBeGreaterThanOrEqual(3), { timeout: 10_000, interval: 1 });
  rig.fail(false);
  await closed;
  expect(await rig.stored()).toHaveLength(1);
  expect(rig.lines).not.toContain('usage was lost');
});

test('a store that never takes it is given up on aloud', async () => {
  const rig = await startRig();
  rig.fail(true);
  rig.tell(delta());
  await rig.writer.close();
  expect(rig.lines.at(-1)).toBe('usage was lost');
  expect(rig.counts().tries).toBe(5);
});

test('a report of 5,000 rows is read page by page, each on disk before the next', async () => {
  const rig = await startRig();
  rig.tellMany(5_000);
  await rig.tick();
  await vi.waitFor(async () => expect(await rig.stored()).toHaveLength(5_000), { timeout: 10_000 });
  expect(rig.counts()).toEqual({ asked: 3, tries: 3 });
  await rig.writer.close();
});

test('closing goes beyond a report that a failure cut short', async () => {
  const rig = await startRig();
  rig.tellMany(2_500);
  rig.fail(true);
  await rig.tick();
  rig.fail(false);
  // The gateway's last words, after that report had begun.
  rig.tell(delta({ bytesIn: 4_711 }));
  await rig.writer.close();
  const rows = await rig.stored();
  expect(rows).toHaveLength(2_501);
  expect(rows.map(({ bytesIn }) => bytesIn)).toContain(4_711n);
});

test('a count that is not exact is refused aloud, alone', async () => {
  const rig = await startRig();
  const big = delta({ bytesIn: Number.MAX_SAFE_INTEGER });
  rig.tell(delta({ bytesIn: 0.5 }), big, delta(), { ...big, bytesIn: 1 });
  await rig.writer.close();
  expect((await rig.stored()).map(({ bytesIn }) => bytesIn).sort()).toEqual([20n, 2n ** 53n - 1n]);
  expect(rig.lines).toEqual(Array(2).fill('usage is no exact count: refused'));
});

test('with 200,000 rows unwritten the gateway is not asked for more', async () => {
  const rig = await startRig();
  rig.lock();
  rig.tellMany(210_000);
  for (let i = 0; i < 102; i++) await rig.tick();
  expect(rig.counts().asked).toBe(100);
  expect(rig.counts().tries).toBeGreaterThan(100);
  await rig.writer.close();
});
