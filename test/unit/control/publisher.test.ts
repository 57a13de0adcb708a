import { expect, test } from 'vitest';
import { createPublisher } from '../../../control/publisher.ts';
import type { Change } from '../../../src/core/model.ts';

const gone = (hash: string): Change => ({ kind: 'key-gone', hash });
const hashes = (changes: readonly Change[]) => changes.map((change) => (change as { hash: string }).hash);

test('changes leave in the order of their slots, whatever order they are filled in', async () => {
  const sent: string[] = [];
  const publisher = createPublisher(
    async (changes) => void sent.push(...hashes(changes)),
    () => {},
  );
  const [first, second, third] = [publisher.reserve(), publisher.reserve(), publisher.reserve()];
  const last = third.publish([gone('3')]);
  const middle = second.publish([gone('2')]);
  await Promise.resolve();
  expect(sent).toEqual([]);
  await Promise.all([first.publish([gone('1')]), middle, last]);
  expect(sent).toEqual(['1', '2', '3']);
});

test('a dropped slot holds nobody up', async () => {
  const sent: string[] = [];
  const publisher = createPublisher(
    async (changes) => void sent.push(...hashes(changes)),
    () => {},
  );
  const [first, second] = [publisher.reserve(), publisher.reserve()];
  const done = second.publish([gone('2')]);
  first.drop();
  await done;
  expect(sent).toEqual(['2']);
});

test('a long list goes in messages of 250 or fewer', async () => {
  const sizes: number[] = [];
  const publisher = createPublisher(
    async (changes) => void sizes.push(changes.length),
    () => {},
  );
  await publisher.reserve().publish(Array.from({ length: 600 }, (_, i) => gone(String(i))));
  expect(sizes).toEqual([250, 250, 100]);
});

test('after a failure everything is refused and the failure is told once', async () => {
  const failures: unknown[] = [];
  const publisher = createPublisher(
    () => Promise.reject(new Error('gone')),
    (error) => failures.push(error),
  );
  await expect(publisher.reserve().publish([gone('1')])).rejects.toMatchObject({ kind: 'unavailable' });
  await expect(publisher.reserve().publish([])).rejects.toMatchObject({ kind: 'unavailable' });
  expect(failures).toHaveLength(1);
  expect(publisher.isBroken()).toBe(true);
});
