import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { BindingQueue, MAX_WAITING } from '../../../gateway/binding-queue.ts';
import { Deadlines } from '../../../gateway/deadlines.ts';
import { type AccountBinding, type BindingVerdict, MAX_BINDINGS } from '../../../src/core/account-binding.ts';
import type { PoolId, SessionId } from '../../../src/core/model.ts';
import { recordedLog } from '../../helpers/wire-log.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const POOL = '018f8c21-2222-7c8c-8ddd-3d3d3d3d3d3d' as PoolId;
const session = (name: string) => name as SessionId;

/** `first('ann', 'x')`: ann was bound to x. */
const first = (accountName: string, to: string, poolId = POOL): AccountBinding => ({
  ...{ poolId, accountName, sessionId: session(to) },
  ...{ previousSessionId: null, reason: 'first_use' },
});
const move = (accountName: string, from: string, to: string, reason: AccountBinding['reason'] = 'removed') => ({
  ...{ ...first(accountName, to), previousSessionId: session(from) },
  reason,
});

/** As many turns as a hand-over, its answer and the next hand-over take. */
async function turns(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A queue whose recorder answers when told to, and a wheel that turns when told to. */
function startRig() {
  const deadlines = new Deadlines();
  const log = recordedLog();
  const calls: { batch: readonly AccountBinding[]; settled: PromiseWithResolvers<readonly BindingVerdict[]> }[] = [];
  const queue = new BindingQueue(
    (batch) => {
      const settled = Promise.withResolvers<readonly BindingVerdict[]>();
      calls.push({ batch, settled });
      return settled.promise;
    },
    deadlines,
    log,
  );
  return {
    ...{ queue, deadlines, log, calls },
    lines: () => log.lines.map(({ message }) => message),
    /** Answers the call that is under way. */
    async answer(verdict: BindingVerdict = 'written'): Promise<void> {
      const { batch, settled } = calls.at(-1)!;
      settled.resolve(batch.map(() => verdict));
      await turns();
    },
    async fail(): Promise<void> {
      calls.at(-1)!.settled.reject(new Error('the disk is full'));
      await turns();
    },
    /** Turns the wheel until the next call; answers how long it took. */
    async untilCalled(): Promise<number> {
      const before = calls.length;
      let ms = 0;
      for (; calls.length === before && ms < 60_000; ms += 100) {
        vi.advanceTimersByTime(100);
        await turns();
      }
      return ms;
    },
  };
}

describe('a queue', () => {
  test('hands on what a turn has pushed as one batch, in order, once that turn is over', async () => {
    const { queue, calls } = startRig();
    const bindings = ['a', 'b', 'c'].map((name) => first(name, 'x'));
    for (const binding of bindings) queue.push(binding);
    expect(calls).toEqual([]);
    await turns();
    expect(calls.map(({ batch }) => batch)).toEqual([bindings]);
  });

  test('has one batch under way, and the next at once behind it, 500 at most', async () => {
    const { queue, calls, answer } = startRig();
    queue.push(first('early', 'x'));
    await turns();
    for (let n = 0; n < 2 * MAX_BINDINGS + 1; n++) queue.push(first(`a${n}`, 'x'));
    await turns();
    expect(calls).toHaveLength(1);
    for (let n = 0; n < 4; n++) await answer();
    expect(calls.map(({ batch }) => batch.length)).toEqual([1, MAX_BINDINGS, MAX_BINDINGS, 1]);
    const names = calls.slice(1).flatMap(({ batch }) => batch.map(({ accountName }) => accountName));
    expect(names).toEqual(Array.from({ length: 2 * MAX_BINDINGS + 1 }, (_, n) => `a${n}`));
    expect(queue.size).toBe(0);
  });

  test('tells each verdict with its binding', async () => {
    const { queue, calls } = startRig();
    const told: [string, BindingVerdict][] = [];
    queue.onVerdict = ({ accountName }, verdict) => told.push([accountName, verdict]);
    for (const name of ['a', 'b', 'c']) queue.push(first(name, 'x'));
    await turns();
    calls[0]!.settled.resolve(['written', { now: session('y') }, 'gone']);
    await turns();
    expect(told).toEqual([
      ['a', 'written'],
      ['b', { now: 'y' }],
      ['c', 'gone'],
    ]);
  });

  test('counts moves by reason, and first uses not', async () => {
    const { queue, calls } = startRig();
    queue.push(first('ann', 'x'));
    queue.push(move('ann', 'x', 'y', 'ejected'));
    queue.push(move('bo', 'x', 'y', 'max_age'));
    queue.push(move('bo', 'y', 'z', 'max_age'));
    expect(queue.moves).toEqual({
      ...{ removed: 0, disabled: 0, provider_disabled: 0, failed: 0, unwanted: 0 },
      ...{ ejected: 1, max_age: 2 },
    });
    await turns();
    expect(calls).toHaveLength(1);
  });
});

describe('a later binding of an account that waits', () => {
  test('takes its place, as one step from what the store knows', async () => {
    const { queue, calls } = startRig();
    queue.push(first('ann', 'x'));
    queue.push(move('bo', 'x', 'y', 'ejected'));
    queue.push(move('ann', 'x', 'y'));
    queue.push(move('bo', 'y', 'z', 'max_age'));
    queue.push(first('ann', 'w', '018f8c21-3333-7c8c-8ddd-3d3d3d3d3d3d' as PoolId));
    await turns();
    expect(calls[0]!.batch).toEqual([
      first('ann', 'y'),
      move('bo', 'x', 'z', 'max_age'),
      first('ann', 'w', '018f8c21-3333-7c8c-8ddd-3d3d3d3d3d3d' as PoolId),
    ]);
  });

  test('never changes a batch that is under way or to be repeated: that may be on disk', async () => {
    const { queue, calls, fail, answer, untilCalled } = startRig();
    queue.push(first('ann', 'x'));
    await turns();
    queue.push(move('ann', 'x', 'y'));
    await fail();
    queue.push(move('ann', 'y', 'z'));
    await untilCalled();
    await answer();
    expect(calls.map(({ batch }) => batch)).toEqual([
      [first('ann', 'x')],
      [first('ann', 'x')],
      [move('ann', 'x', 'z')],
    ]);
  });

  test('whatever is pushed, answered and failed, a store that does each step ends where the index did', async () => {
    const step = fc.record({ account: fc.nat(3), to: fc.nat(4), answered: fc.constantFrom('no', 'written', 'failed') });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
        const { queue, calls, untilCalled } = startRig();
        const index = new Map<string, SessionId>();
        const store = new Map<string, SessionId>();
        let carriedOut = 0;
        /** Half of the failures come after the commit. */
        const finish = async (isFailed: boolean, isStored: boolean) => {
          await turns();
          if (carriedOut === calls.length) return;
          const { batch, settled } = calls[carriedOut++]!;
          for (const { accountName, previousSessionId, sessionId } of isFailed && !isStored ? [] : batch) {
            const now = store.get(accountName);
            if (now === undefined || now === previousSessionId) store.set(accountName, sessionId);
          }
          if (isFailed) settled.reject(new Error('nobody knows'));
          else settled.resolve(batch.map(() => 'written'));
          await turns();
        };
        for (const [n, { account, to, answered }] of steps.entries()) {
          const name = `a${account}`;
          const before = index.get(name);
          const after = session(`s${to}`);
          if (before === after) continue;
          index.set(name, after);
          queue.push(before === undefined ? first(name, after) : move(name, before, after));
          if (answered !== 'no') await finish(answered === 'failed', n % 2 === 0);
        }
        for (let tries = 0; queue.size > 0 && tries < 10; tries++) {
          if (carriedOut === calls.length) await turns();
          if (carriedOut === calls.length) await untilCalled();
          await finish(false, true);
        }
        expect(Object.fromEntries(store)).toEqual(Object.fromEntries(index));
        queue.close();
      }),
      { numRuns: 60 },
    );
  });
});

describe('a recorder that fails', () => {
  test('is asked again after 100 ms, doubling up to 5 s, and told of twice in all', async () => {
    const { queue, calls, fail, answer, untilCalled, lines } = startRig();
    queue.push(first('ann', 'x'));
    await turns();
    const pauses: number[] = [];
    for (let n = 0; n < 8; n++) {
      await fail();
      pauses.push(await untilCalled());
    }
    for (const [n, expected] of [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000].entries()) {
      expect(pauses[n]).toBeGreaterThanOrEqual(expected);
      expect(pauses[n]).toBeLessThanOrEqual(expected + 200);
    }
    await answer();
    expect(calls.every(({ batch }) => batch[0]!.accountName === 'ann')).toBe(true);
    expect(lines()).toEqual([
      'bindings of accounts could not be written: held, and tried again',
      'bindings of accounts are written again',
    ]);
    queue.push(first('bo', 'x'));
    await turns();
    await fail();
    expect(await untilCalled()).toBeLessThanOrEqual(300);
  });

  test('keeps all that is pushed meanwhile, and leaves nothing in the wheel once it is mended', async () => {
    const { queue, calls, fail, answer, untilCalled, deadlines } = startRig();
    queue.push(first('a0', 'x'));
    await turns();
    await fail();
    for (let n = 1; n < 1_000; n++) queue.push(first(`a${n}`, 'x'));
    await turns();
    expect(calls).toHaveLength(1);
    await untilCalled();
    for (let n = 0; n < 3; n++) await answer();
    expect(calls.slice(1).map(({ batch }) => batch.length)).toEqual([1, MAX_BINDINGS, 499]);
    expect([queue.size, deadlines.size]).toEqual([0, 0]);
  });

  test('may throw in place of rejecting', async () => {
    const deadlines = new Deadlines();
    const record = vi.fn(() => {
      throw new Error('the other thread is gone');
    });
    const queue = new BindingQueue(record, deadlines, recordedLog());
    queue.push(first('ann', 'x'));
    await turns();
    vi.advanceTimersByTime(300);
    await turns();
    expect(record).toHaveBeenCalledTimes(2);
    queue.close();
  });
});

describe('a full queue', () => {
  test('refuses new accounts aloud once, tells of each, and still takes what replaces', async () => {
    const { queue, calls, fail, untilCalled, answer, lines } = startRig();
    const refused: string[] = [];
    queue.onRefused = ({ accountName }) => refused.push(accountName);
    queue.push(first('under way', 'x'));
    await turns();
    await fail();
    for (let n = 0; n < MAX_WAITING; n++) queue.push(first(`a${n}`, 'x'));
    expect(queue.refused).toBe(0);
    queue.push(first('late', 'x'));
    queue.push(move('later', 'x', 'y'));
    queue.push(move('a7', 'x', 'y'));
    expect(refused).toEqual(['late', 'later']);
    expect([queue.refused, queue.size, queue.moves.removed]).toEqual([2, MAX_WAITING + 1, 1]);
    expect(lines().filter((line) => line.includes('refused'))).toHaveLength(1);
    await untilCalled();
    await answer();
    expect(calls.at(-1)!.batch[7]).toEqual(first('a7', 'y'));
    queue.push(first('room again', 'x'));
    expect(queue.refused).toBe(2);
    queue.close();
  });
});

describe('draining', () => {
  test('an empty queue is done at once', async () => {
    const { queue, deadlines, calls } = startRig();
    expect(await queue.drain(1_000)).toBe(true);
    expect([calls.length, deadlines.size]).toEqual([0, 0]);
  });

  test('waits for all that waits, and for nothing longer', async () => {
    const { queue, answer, deadlines } = startRig();
    for (let n = 0; n < MAX_BINDINGS + 1; n++) queue.push(first(`a${n}`, 'x'));
    const ended = vi.fn();
    const drained = queue.drain(5_000).then(ended);
    await turns();
    await answer();
    expect(ended).not.toHaveBeenCalled();
    await answer();
    await drained;
    expect(ended).toHaveBeenCalledWith(true);
    expect(deadlines.size).toBe(0);
  });

  test('tries at once where a pause was under way, and then often', async () => {
    const { queue, calls, fail, answer, untilCalled } = startRig();
    queue.push(first('ann', 'x'));
    await turns();
    for (let n = 0; n < 6; n++) {
      await fail();
      await untilCalled();
    }
    await fail();
    const before = calls.length;
    const drained = queue.drain(10_000);
    await turns();
    expect(calls).toHaveLength(before + 1);
    await fail();
    expect(await untilCalled()).toBeLessThanOrEqual(300);
    await answer();
    expect(await drained).toBe(true);
  });

  test('that ends a pause early leaves nothing of it in the wheel', async () => {
    const { queue, fail, answer, untilCalled, deadlines } = startRig();
    queue.push(first('ann', 'x'));
    await turns();
    for (let n = 0; n < 3; n++) {
      await fail();
      await untilCalled();
    }
    await fail();
    const drained = queue.drain(10_000);
    await turns();
    await answer();
    expect([await drained, deadlines.size]).toEqual([true, 0]);
  });

  test('gives up at its deadline, and what waits goes on waiting', async () => {
    const { queue, deadlines, answer } = startRig();
    queue.push(first('ann', 'x'));
    const drained = queue.drain(500);
    await turns();
    for (let n = 0; n < 7; n++) deadlines.advance();
    expect(await drained).toBe(false);
    expect(queue.size).toBe(1);
    await answer();
    expect(queue.size).toBe(0);
  });
});

describe('a closed queue', () => {
  test('hands nothing on, refuses what comes, and says what it leaves', async () => {
    const { queue, calls, fail, deadlines, lines } = startRig();
    queue.push(first('ann', 'x'));
    await turns();
    await fail();
    const drained = queue.drain(1_000);
    await turns();
    await fail();
    queue.close();
    queue.close();
    expect(await drained).toBe(false);
    queue.push(first('bo', 'x'));
    vi.advanceTimersByTime(20_000);
    await turns();
    expect(calls).toHaveLength(2);
    expect([queue.refused, deadlines.size, await queue.drain(1_000)]).toEqual([1, 0, false]);
    expect(lines().filter((line) => line === 'bindings of accounts may be lost')).toHaveLength(1);
  });

  test('hands on nothing of what was pushed in the same turn', async () => {
    const { queue, calls } = startRig();
    queue.push(first('ann', 'x'));
    queue.close();
    await turns();
    expect([calls.length, queue.size]).toEqual([0, 1]);
  });
});
