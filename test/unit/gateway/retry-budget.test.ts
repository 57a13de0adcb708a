/** How many further attempts a pool may have under way at a time. */
import { expect, test } from 'vitest';
import { RetryBudget, RetryBudgets } from '../../../gateway/retry-budget.ts';
import type { Pool } from '../../../src/core/pool-index/pool.ts';

const pool = (): Pool => ({}) as Pool;

/** Takes as many as it gives. */
function takeAll(budget: RetryBudget): number {
  let taken = 0;
  while (taken < 1_000 && budget.take()) taken++;
  return taken;
}

test.each([
  [0, 3],
  [1, 3],
  [19, 3],
  [20, 4],
  [24, 4],
  [25, 5],
  [200, 40],
])('with %i active requests it gives %i', (active, retries) => {
  const budget = new RetryBudget(pool());
  budget.active = active;
  expect(takeAll(budget)).toBe(retries);
  expect(budget.taken).toBe(retries);
});

test('what is given back may be taken again, once', () => {
  const budget = new RetryBudget(pool());
  takeAll(budget);
  budget.give();
  expect([budget.take(), budget.take()]).toEqual([true, false]);
});

test('it gives none while more are taken than requests that have become fewer allow', () => {
  const budget = new RetryBudget(pool());
  budget.active = 100;
  expect(takeAll(budget)).toBe(20);
  budget.active = 50;
  for (let i = 0; i < 10; i++) budget.give();
  expect(budget.take()).toBe(false);
  budget.give();
  expect(budget.take()).toBe(true);
});

test('each pool has its own, and always the same', () => {
  const budgets = new RetryBudgets();
  const [one, other] = [pool(), pool()];
  takeAll(budgets.of(one));
  expect(budgets.of(one).take()).toBe(false);
  expect(budgets.of(other).take()).toBe(true);
});
