import { expect, test } from 'vitest';
import type { Call } from '../../../control/call.ts';
import { DomainError } from '../../../control/domain-error.ts';
import { createPublisher } from '../../../control/publisher.ts';
import { type Choice, createSessionChoice, StaleChoice } from '../../../control/session-choice.ts';
import type { PoolId, SessionId } from '../../../src/core/model.ts';
import type { AssignQuery } from '../../../src/core/observed.ts';

const [POOL, OTHER] = ['pool' as PoolId, 'other' as PoolId];

/** A gateway that answers when it is told to, with one session after the other. */
function rig() {
  const asked: AssignQuery[] = [];
  let gate = Promise.resolve();
  let next = 0;
  const leastAssigned = async (query: AssignQuery) => {
    asked.push(query);
    await gate;
    return query.accountNames.map(() => `session${next++}` as SessionId);
  };
  const publisher = createPublisher(
    async () => {},
    () => {},
  );
  const choose = createSessionChoice({ gateway: { leastAssigned } as never, publisher });
  return {
    asked,
    publisher,
    choose,
    /** Answers nothing from now on until the result is called. */
    shut(): () => void {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return resolve;
    },
  };
}

const call = (signal = new AbortController().signal) => ({ signal }) as Call;
const choiceOf = <T>(write: Choice<T>['write'], over: Partial<Choice<T>> = {}): Choice<T> => ({
  call: call(),
  poolId: POOL,
  ask: async () => ({ accountNames: ['a'], exclude: null }),
  write,
  ...over,
});

const askFor =
  (name: string, exclude: SessionId | null = null): Choice<unknown>['ask'] =>
  async () => ({ accountNames: [name], exclude });

test('a pool asks when what it was told before is written; another pool does not wait for it', async () => {
  const { asked, choose } = rig();
  const writing = Promise.withResolvers<void>();
  const first = Promise.withResolvers<string>();
  const one = choose(
    choiceOf(() => {
      writing.resolve();
      return first.promise;
    }),
  );
  await writing.promise;
  const two = choose(choiceOf(async (chosen) => chosen('a')));
  expect(await choose(choiceOf(async (chosen) => chosen('a'), { poolId: OTHER }))).toBe('session1');
  expect(asked.map(({ poolId }) => poolId)).toEqual([POOL, OTHER]);
  first.resolve('done');
  expect(await Promise.all([one, two])).toEqual(['done', 'session2']);
});

test('calls that wait together are one question and are written side by side', async () => {
  const { asked, choose } = rig();
  const written = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
  const all = written.map(({ resolve }, n) =>
    choose(
      choiceOf(
        async (chosen) => {
          resolve();
          await Promise.all(written.map(({ promise }) => promise));
          return [chosen(`n${n}`), chosen(`n${(n + 1) % 3}`)];
        },
        { ask: askFor(`n${n}`) },
      ),
    ),
  );
  // Each knows what was chosen for its own account alone.
  expect(await Promise.all(all)).toEqual([0, 1, 2].map((n) => [`session${n}`, undefined]));
  expect(asked.map(({ accountNames }) => accountNames)).toEqual([['n0', 'n1', 'n2']]);
});

test('the same account, an excluded session, and more than 1,000 accounts wait for a question of their own', async () => {
  const { asked, choose } = rig();
  const many = async () => ({ accountNames: Array.from({ length: 1_000 }, (_, n) => `m${n}`), exclude: null });
  const asks = [askFor('a'), askFor('b'), askFor('a'), askFor('c', 'x' as SessionId), askFor('d'), many];
  await Promise.all(asks.map((ask) => choose(choiceOf(async () => null, { ask }))));
  const shape = asked.map(({ accountNames, exclude }) => [accountNames.slice(0, 2), exclude]);
  expect(shape).toEqual([
    [['a', 'b'], null],
    [['a'], null],
    [['c'], 'x'],
    [['d'], null],
    [['m0', 'm1'], null],
  ]);
});

test('a call that comes as the last one ends is not forgotten', async () => {
  const { choose } = rig();
  const chain = async (left: number): Promise<number> => {
    await choose(choiceOf(async () => null));
    return left === 0 ? 0 : chain(left - 1);
  };
  expect(await Promise.all([chain(50), chain(50), chain(50)])).toEqual([0, 0, 0]);
});

test('a gateway that fails fails the calls of its round, and no later one', async () => {
  let broken = true;
  const leastAssigned = async ({ accountNames }: AssignQuery) => {
    if (broken) throw new Error('gone');
    return accountNames.map(() => null);
  };
  const publisher = createPublisher(
    async () => {},
    () => {},
  );
  const choose = createSessionChoice({ gateway: { leastAssigned } as never, publisher });
  await expect(choose(choiceOf(async () => null))).rejects.toThrow('gone');
  broken = false;
  expect(await choose(choiceOf(async (chosen) => chosen('a')))).toBeNull();
});

test('a call that fails does not hold up the next one', async () => {
  const { choose } = rig();
  const bad = choose(
    choiceOf(async () => {
      throw new DomainError('already_exists');
    }),
  );
  const good = choose(choiceOf(async (chosen) => chosen('a')));
  await expect(bad).rejects.toMatchObject({ kind: 'already_exists' });
  expect(await good).toBe('session1');
});

test('accounts that were not asked for are undefined, and for none the gateway is not asked', async () => {
  const { asked, choose } = rig();
  const ask = async () => ({ accountNames: [], exclude: null });
  expect(await choose(choiceOf(async (chosen) => [chosen('a')], { ask }))).toEqual([undefined]);
  expect(asked).toEqual([]);
});

test('a stale choice is made again, once the gateway has seen what was committed before', async () => {
  const { publisher, choose, asked } = rig();
  // A committed deletion that is still on its way.
  const deletion = publisher.reserve();
  const seen: string[] = [];
  const result = choose(
    choiceOf(async (chosen) => {
      seen.push(chosen('a') ?? '');
      if (seen.length === 1) throw new StaleChoice();
      return chosen('a');
    }),
  );
  await expect.poll(() => seen).toEqual(['session0']);
  expect(asked).toHaveLength(1);
  await deletion.publish([]);
  expect(await result).toBe('session1');
});

test('always stale is unavailable, after a bounded number of tries', async () => {
  const { choose, asked } = rig();
  const always = choose(
    choiceOf(async () => {
      throw new StaleChoice();
    }),
  );
  await expect(always).rejects.toMatchObject({ kind: 'unavailable' });
  expect(asked).toHaveLength(5);
});

test('a call that nobody waits for any more leaves the queue without asking', async () => {
  const { choose, asked } = rig();
  const gone = choose(choiceOf(async () => 'written', { call: call(AbortSignal.abort()) }));
  await expect(gone).rejects.toMatchObject({ kind: 'canceled' });
  expect(asked).toEqual([]);
});

test('a full queue refuses with a time to come back, and takes calls again when it has room', async () => {
  const { choose, shut } = rig();
  const open = shut();
  const waiting = Array.from({ length: 1_000 }, () => choose(choiceOf(async (chosen) => chosen('a'))));
  const refused = choose(choiceOf(async () => 'too many'));
  await expect(refused).rejects.toMatchObject({ kind: 'resource_exhausted', retryAfterSeconds: 1 });
  open();
  expect(new Set(await Promise.all(waiting)).size).toBe(1_000);
  expect(await choose(choiceOf(async () => 'room'))).toBe('room');
});
