import fc from 'fast-check';
import { expect, test } from 'vitest';
import { between, quantile } from '../../../console/model/histogram.ts';

const buckets = (...counts: [string, number][]) => new Map(counts);

test('a quantile lies in the bucket of its rank, on a straight line', () => {
  const counted = buckets(['0.1', 10], ['0.2', 20], ['+Inf', 20]);
  expect(quantile(counted, 0.5)).toBeCloseTo(0.1);
  expect(quantile(counted, 0.75)).toBeCloseTo(0.15);
  expect(quantile(counted, 1)).toBeCloseTo(0.2);
});

test('beyond the last bound it is that bound, and of nothing there is none', () => {
  expect(quantile(buckets(['0.1', 0], ['+Inf', 5]), 0.5)).toBe(0.1);
  expect(quantile(buckets(['0.1', 0], ['+Inf', 0]), 0.5)).toBeNull();
  expect(quantile(new Map(), 0.5)).toBeNull();
});

test('bounds need no order, and quantiles rise', () => {
  const counts = fc.array(fc.nat(1_000), { minLength: 3, maxLength: 8 });
  fc.assert(
    fc.property(counts, fc.double({ min: 0.01, max: 1, noNaN: true }), (parts, q) => {
      let sum = 0;
      const entries = parts.map((part, n): [string, number] => {
        sum += part;
        return [n === parts.length - 1 ? '+Inf' : String((n + 1) / 1_000), sum];
      });
      const low = quantile(new Map(entries.toReversed()), q / 2);
      const high = quantile(new Map(entries), q);
      if (sum === 0) return low === null && high === null;
      return low! <= high!;
    }),
  );
});

test('between two looks only what came since counts; a count that fell is none', () => {
  expect([...between(buckets(['1', 5]), buckets(['1', 8], ['2', 3]))]).toEqual([
    ['1', 3],
    ['2', 3],
  ]);
  expect([...between(buckets(['1', 5]), buckets(['1', 2]))]).toEqual([['1', 0]]);
});
