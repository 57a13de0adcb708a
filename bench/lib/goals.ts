/**
 * The goals of the data plane, as data, and whether a run met them. A goal whose
 * peer is not installed is not judged; one that is missed is printed as missed.
 */

import type { RowResults } from './results.ts';
import { posts } from './rows.ts';

/** The value must be at least, or at most, the bound. */
type Bound = { readonly atLeast: number } | { readonly atMost: number };

export type Goal = {
  readonly id: string;
  readonly row: string;
  readonly metric: string;
  /** The candidate that is judged; `sallyport` when absent. */
  readonly of?: string;
  /** `ratio`: to the peer, round by round; `added`: the same with straight's figure taken off both; `steady`: slowest round to fastest. */
  readonly form: 'ratio' | 'added' | 'value' | 'steady';
  readonly peer?: string;
} & Bound;

const ratio = (id: string, row: string, atLeast: number, peer: string, of?: string): Goal => ({
  id,
  row,
  metric: 'perCore',
  form: 'ratio',
  atLeast,
  peer,
  ...(of && { of }),
});
const forwards = (row: string): Goal[] => [
  ratio('F1', row, 3, 'squid'),
  ratio('F1', row, 4, 'proxy-chain'),
  ratio('F1', row, 0.95, 'pipe'),
  ratio('F1', row, 0.8, 'haproxy'),
  ratio('F1 top', row, 0.95, 'haproxy'),
];
const tunnelBytes = (row: string): Goal[] => [
  ratio('F4', row, 1, 'squid'),
  ratio('F4', row, 1.5, 'haproxy'),
  ratio('F4', row, 2, 'proxy-chain'),
  { id: 'F4', row, metric: 'rate', form: 'steady', atLeast: 0.7 },
];

export const goals: readonly Goal[] = [
  ...forwards('forward'),
  ...forwards('saturate'),
  { id: 'F2', row: 'paced', metric: 'p50', form: 'added', peer: 'haproxy', atMost: 1.1 },
  { id: 'F2', row: 'paced', metric: 'p99', form: 'added', peer: 'haproxy', atMost: 1.1 },
  ratio('F3', 'connect', 1.4, 'squid'),
  ratio('F3', 'connect', 2, 'proxy-chain'),
  ratio('F3', 'connect', 0.95, 'pipe'),
  ...tunnelBytes('down'),
  ...tunnelBytes('up'),
  { id: 'F5', row: 'memory', metric: 'perTunnel', form: 'value', atMost: 14 },
  { id: 'F5', row: 'memory', metric: 'atRest', form: 'value', atMost: 120 },
  { id: 'F5', row: 'memory', metric: 'descriptors', form: 'value', atMost: 0 },
  { id: 'F5', row: 'churn', metric: 'growth', form: 'value', atMost: 10 },
  { id: 'F5', row: 'churn', metric: 'descriptors', form: 'value', atMost: 0 },
  ratio('F6', 'forward', 0.8, 'sallyport', 'sallyport+log'),
  ratio('F7', 'body', 0.9, 'haproxy'),
  ratio('F7', 'body', 5, 'squid'),
  ...posts.map(({ id }) => ratio('F7', id, 0.9, 'pipe')),
];

export interface Verdict {
  readonly goal: Goal;
  readonly value: number;
  readonly met: boolean;
}

/** Judges the goals of one row; those that lack a figure are left out. */
export function judge(results: RowResults): Verdict[] {
  return goals
    .filter(({ row }) => row === results.row.id)
    .map((goal) => {
      const value = valueFor(goal, results);
      const met = 'atLeast' in goal ? value >= goal.atLeast : value <= goal.atMost;
      return { goal, value, met };
    })
    .filter(({ value }) => !Number.isNaN(value));
}

function valueFor({ form, metric, peer = '', of = 'sallyport' }: Goal, results: RowResults): number {
  const own = results.spread(of, metric);
  switch (form) {
    case 'ratio':
      return results.ratio(of, peer, metric).median;
    case 'added': {
      const straight = results.spread('straight', metric).median;
      return (own.median - straight) / (results.spread(peer, metric).median - straight);
    }
    case 'value':
      return own.median;
    case 'steady':
      return own.min / own.max;
  }
}

/** A goal in words: "perCore ≥ 0.95 × pipe". */
export function describe(goal: Goal): string {
  const { form, metric, peer, of = 'sallyport' } = goal;
  const bound = 'atLeast' in goal ? `≥ ${goal.atLeast}` : `≤ ${goal.atMost}`;
  if (form === 'ratio') return `${of} ${bound} × ${peer}, per core`;
  if (form === 'added') return `added ${metric} ${bound} × ${peer}'s`;
  if (form === 'steady') return `slowest round ${bound} × fastest`;
  return `${metric} ${bound}`;
}
