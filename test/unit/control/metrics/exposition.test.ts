import { expect, test } from 'vitest';
import { createPrinter } from '../../../../control/metrics/exposition.ts';

test('samples are lines under the head of their family, their label values escaped', () => {
  const print = createPrinter({ name: 'seen_total', help: 'Seen.', type: 'counter', labels: ['pool', 'by'] });
  const head = '# HELP seen_total Seen.\n# TYPE seen_total counter\n';
  expect(print([])).toBe(head);
  const lines = ['seen_total{pool="a",by="x"} 1', 'seen_total{pool="a\\\\\\"\\n",by=""} 2.5', ''].join('\n');
  const samples = [
    { labels: ['a', 'x'], value: 1 },
    { labels: ['a\\"\n', ''], value: 2.5 },
  ];
  expect(print(samples)).toBe(head + lines);
  expect(print(samples.toReversed()).split('\n').slice(2).sort()).toEqual(lines.split('\n').sort());
});

test('the columns of pools are lines, those of a pool together', () => {
  const print = createPrinter({ name: 'bytes', help: 'Bytes.', type: 'gauge', labels: ['pool', 'direction'] });
  const columns = [
    { labels: ['in'], values: Float64Array.of(1, 3) },
    { labels: ['out'], values: Float64Array.of(2, 4) },
  ];
  expect(
    print({ pools: ['a', 'b'], columns })
      .split('\n')
      .slice(2),
  ).toEqual([
    'bytes{pool="a",direction="in"} 1',
    'bytes{pool="a",direction="out"} 2',
    'bytes{pool="b",direction="in"} 3',
    'bytes{pool="b",direction="out"} 4',
    '',
  ]);
});

test('the buckets of a histogram count all that is below their bound', () => {
  const print = createPrinter({ name: 'took', help: 'Took.', type: 'histogram', labels: ['by'] });
  const histogram = { bounds: [0.001, 1], counts: [2, 1, 3], sum: 7.25 };
  expect(
    print([{ labels: ['x'], histogram }])
      .split('\n')
      .slice(2),
  ).toEqual([
    'took_bucket{le="0.001",by="x"} 2',
    'took_bucket{le="1",by="x"} 3',
    'took_bucket{le="+Inf",by="x"} 6',
    'took_sum{by="x"} 7.25',
    'took_count{by="x"} 6',
    '',
  ]);
});
