import { expect, test } from 'vitest';
import type { PoolId, ProviderId, SessionId, WorkspaceId } from '../../../src/core/model.ts';
import { MAX_REPORT, UsageTally } from '../../../src/core/usage-tally.ts';

const WORKSPACE = 'w' as WorkspaceId;
const MIDNIGHT = Date.UTC(2026, 10, 24);
const DAY = MIDNIGHT / 86_400_000;

const source = (n: number) => ({
  poolId: 'p' as PoolId,
  providerId: 'v' as ProviderId,
  sessionId: `00000000-0000-7000-8000-${n.toString().padStart(12, '0')}` as SessionId,
});

function setUp() {
  const clock = { now: MIDNIGHT - 1 };
  const tally = new UsageTally();
  const add = (n: number, octets: number, account = ''): void => {
    tally.entryOf(clock.now, WORKSPACE, source(n), account).bytesOut += octets;
  };
  const report = () => {
    tally.rollOver();
    return tally.take();
  };
  return { clock, tally, add, report };
}

test('one entry for each session and account, told once', () => {
  const { add, report } = setUp();
  add(1, 10);
  add(1, 5);
  add(1, 7, 'anna');
  add(1, 8, 'anna');
  add(1, 1, 'ann');
  add(2, 2);
  const entries = report();
  expect(entries.map(({ sessionId, accountName, bytesOut }) => [sessionId.slice(-1), accountName, bytesOut])).toEqual([
    ['1', '', 15],
    ['1', 'anna', 15],
    ['1', 'ann', 1],
    ['2', '', 2],
  ]);
  expect(entries[0]).toEqual({
    ...source(1),
    workspaceId: WORKSPACE,
    accountName: '',
    day: DAY - 1,
    requestCount: 0,
    errorCount: 0,
    bytesOut: 15,
    bytesIn: 0,
  });
  expect(report()).toEqual([]);
});

test('traffic belongs to the UTC day in which it was added', () => {
  const { clock, add, report } = setUp();
  add(1, 1);
  clock.now = MIDNIGHT;
  add(1, 2);
  add(2, 4);
  expect(report().map(({ day, bytesOut }) => [day, bytesOut])).toEqual([
    [DAY - 1, 1],
    [DAY, 2],
    [DAY, 4],
  ]);
  clock.now = MIDNIGHT - 1;
  add(1, 8);
  expect(report()).toMatchObject([{ day: DAY - 1, bytesOut: 8 }]);
});

test('a report comes in pages; what is added meanwhile waits for the next report', () => {
  const { tally, add } = setUp();
  for (let n = 0; n < MAX_REPORT + 3; n++) add(n, 1);
  tally.rollOver();
  expect(tally.take()).toHaveLength(MAX_REPORT);
  add(0, 5);
  expect(tally.take()).toHaveLength(3);
  expect(tally.take()).toEqual([]);
  expect(tally.size).toBe(1);
  tally.rollOver();
  expect(tally.take()).toMatchObject([{ bytesOut: 5 }]);
});

test('what was taken is not changed by what comes later', () => {
  const { add, report } = setUp();
  add(1, 1);
  const [first] = report();
  add(1, 2);
  expect(first?.bytesOut).toBe(1);
  expect(report()).toMatchObject([{ bytesOut: 2 }]);
});
