import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cause } from '../../../src/core/cause.ts';
import type { ApiKeyId, PoolId, SessionId, WorkspaceId } from '../../../src/core/model.ts';
import type { FinishedRequest, RequestFilter } from '../../../src/core/observed.ts';
import { MAX_FINISHED_REQUESTS, MAX_PAGE, type RequestRing } from '../../../src/core/request-ring.ts';
import { newRing, putRecord } from '../../helpers/observed-records.ts';

const OURS = 'ours' as WorkspaceId;
const ALL: RequestFilter = { workspaceId: OURS, poolId: null, sessionId: null, accountName: null, cause: null };

function record(sequence: number, over: Partial<FinishedRequest> = {}): FinishedRequest {
  return {
    sequence,
    requestId: `r-${sequence}`,
    workspaceId: OURS,
    startedAtMs: 0,
    clientAddress: '127.0.0.1:1',
    keyId: 'k' as ApiKeyId,
    identifiedBy: 'credentials',
    poolId: 'pool' as PoolId,
    sessionId: 'session' as SessionId,
    accountName: null,
    moved: null,
    targetHost: 'a.test',
    targetPort: 80,
    kind: 'forward',
    status: 200,
    stage: 'relay',
    cause: null,
    attempts: [],
    resolveMs: 0,
    dialMs: null,
    firstByteMs: 1,
    durationMs: 1,
    bytesOut: 1,
    bytesIn: 1,
    ...over,
  };
}

function ringOf(count: number, capacity?: number): RequestRing {
  const ring = newRing(capacity);
  for (let i = 1; i <= count; i++) putRecord(ring, record(i));
  return ring;
}

describe('the ring', () => {
  it('keeps the last so many, and finds those alone', () => {
    const ring = ringOf(MAX_FINISHED_REQUESTS + 5);
    expect(ring.find('r-5')).toBeNull();
    expect(ring.find('r-6')?.sequence).toBe(6);
    expect(ring.find(`r-${MAX_FINISHED_REQUESTS + 5}`)?.sequence).toBe(MAX_FINISHED_REQUESTS + 5);
    expect(ring.find('r-0')).toBeNull();
    expect(newRing().find('r-1')).toBeNull();
  });

  it('answers where now is to a reader who starts, and to one from another life', () => {
    const ring = ringOf(7);
    expect(ring.list({ filter: ALL, afterSequence: -1, limit: 10 })).toEqual({ records: [], sequence: 7, missed: 0 });
    expect(ring.list({ filter: ALL, afterSequence: 99, limit: 10 })).toEqual({ records: [], sequence: 7, missed: 0 });
    expect(ringOf(0).list({ filter: ALL, afterSequence: -1, limit: 1 }).sequence).toBe(0);
  });

  it('never answers more than a page, whatever was asked', () => {
    const page = ringOf(MAX_PAGE + 10).list({ filter: ALL, afterSequence: 0, limit: 1_000_000 });
    expect(page.records).toHaveLength(MAX_PAGE);
    expect(page).toMatchObject({ sequence: MAX_PAGE, missed: 0 });
  });

  it('tells a record as it was, though its place is another’s by now', () => {
    const ring = ringOf(0, 2);
    const whole = record(1, {
      accountName: 'anna',
      dialMs: 3,
      attempts: [{ sessionId: 's1' as SessionId, cause: 'upstream_reset', ms: 2 }],
      moved: { from: 's1' as SessionId, reason: 'failed' },
    });
    putRecord(ring, whole);
    const found = ring.find('r-1');
    for (const n of [2, 3]) putRecord(ring, record(n));
    expect(found).toEqual(whole);
    expect(ring.list({ filter: ALL, afterSequence: 0, limit: 10 }).records).toEqual([record(2), record(3)]);
  });

  it('tells a reader everything exactly once, or that it missed it', () => {
    const step = fc.oneof(
      fc.record({ push: fc.integer({ min: 1, max: 12 }) }),
      fc.record({ limit: fc.integer({ min: 1, max: 9 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 10 }), (steps, capacity) => {
        const ring = newRing(capacity);
        let at = 0;
        let missed = 0;
        let pushed = 0;
        const told: number[] = [];
        const read = (limit: number): number => {
          const page = ring.list({ filter: ALL, afterSequence: at, limit });
          told.push(...page.records.map(({ sequence }) => sequence));
          missed += page.missed;
          at = page.sequence;
          return page.records.length;
        };
        for (const action of steps) {
          if ('limit' in action) read(action.limit);
          else for (let i = 0; i < action.push; i++) putRecord(ring, record(++pushed));
        }
        while (read(5) > 0);
        expect(told).toEqual([...new Set(told)].sort((a, b) => a - b));
        expect(told.length + missed).toBe(pushed);
      }),
    );
  });
});

describe('a filter', () => {
  const refused = { cause: 'pool_empty' as Cause, sessionId: null };
  const matching = (filter: Partial<RequestFilter>): number[] => {
    const ring = newRing();
    putRecord(ring, record(1));
    putRecord(ring, record(2, { workspaceId: 'theirs' as WorkspaceId }));
    putRecord(ring, record(3, refused));
    putRecord(ring, record(4, { poolId: 'other' as PoolId, sessionId: 's4' as SessionId, accountName: 'anna' }));
    putRecord(ring, record(5, { poolId: null, ...refused, cause: 'pool_unknown' }));
    const page = ring.list({ filter: { ...ALL, ...filter }, afterSequence: 0, limit: 10 });
    expect(page.sequence).toBe(5);
    return page.records.map(({ sequence }) => sequence);
  };

  it.each<[Partial<RequestFilter>, number[]]>([
    [{}, [1, 3, 4, 5]],
    [{ workspaceId: 'theirs' as WorkspaceId }, [2]],
    [{ poolId: 'pool' as PoolId }, [1, 3]],
    [{ sessionId: 's4' as SessionId }, [4]],
    [{ accountName: 'anna' }, [4]],
    [{ accountName: '' }, []],
    [{ cause: 'ok' }, [1, 4]],
    [{ cause: 'pool_empty' }, [3]],
    [{ cause: 'pool_empty', poolId: 'other' as PoolId }, []],
  ])('%j passes %j', (filter, sequences) => {
    expect(matching(filter)).toEqual(sequences);
  });
});
