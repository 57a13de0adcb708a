import { expect, it } from 'vitest';
import { OPEN_POLICY } from '../../../../src/core/model.ts';
import { Condition } from '../../../../src/core/pool-index/condition.ts';
import { TargetBlocks } from '../../../../src/core/pool-index/target-blocks.ts';
import { staticRig } from './health-rig.ts';

const MAX_PAIRS = 65_536;

it('forgets the pair that failed longest ago when there are too many, and says whose last one it was', () => {
  const [a, b] = staticRig(2).sessions.map((session) => new Condition(session)) as [Condition, Condition];
  const empty: Condition[] = [];
  const blocks = new TargetBlocks((owner) => empty.push(owner), 2);
  const fail = (owner: Condition, host: string) => blocks.failed(owner, host, OPEN_POLICY, 1_000, 0);
  fail(a, 'one');
  fail(b, 'two');
  fail(a, 'one');
  fail(a, 'three');
  expect(blocks.size).toBe(2);
  expect([...a.targets!.keys()]).toEqual(['one', 'three']);
  expect(b.targets).toBeNull();
  expect(empty).toEqual([b]);
});

it(`remembers at most ${MAX_PAIRS} pairs`, () => {
  const owner = new Condition(staticRig(1).sessions[0]!);
  const blocks = new TargetBlocks(() => {});
  for (let n = 0; n < MAX_PAIRS + 10; n++) blocks.failed(owner, `host${n}`, OPEN_POLICY, 1_000, 0);
  expect(blocks.size).toBe(MAX_PAIRS);
  expect(owner.targets!.size).toBe(MAX_PAIRS);
  expect(owner.targets!.has('host9')).toBe(false);
});
