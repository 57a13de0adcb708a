/** I5: how much of a forwarded request's CPU is resolving, from the row `forward` and the micro bench `pick`. */

import type { MicroResults } from './micro.ts';
import type { RowResults } from './results.ts';
import { type Row, rowOf } from './row.ts';

/** What most requests are, by the ids of `micro/pick.ts`. */
const WAYS = ['round-robin', 'token', 'sticky', 'sticky.country', 'account'];
const SESSIONS = 100_000;
const GOAL = { id: 'I5', atMost: 3 } as const;

/** A row a way of asking, in percent, round by round of the load; none where either bench was left out or failed. */
export function resolverShares(rows: readonly RowResults[], micro: MicroResults | null): Row[] {
  const cpuUs = rows.find(({ row }) => row.id === 'forward')?.series('sallyport', 'cpu') ?? [];
  return WAYS.flatMap((way) => {
    const pick = micro?.rows.find(({ id }) => id === `pick.${way}.${SESSIONS}.1`);
    if (pick === undefined || cpuUs.length === 0) return [];
    const shares = cpuUs.map((us) => (pick.median / (us * 1e3)) * 100);
    return [rowOf(`share.${way}`, `${pick.name}, of a forwarded request's CPU`, '%', shares, GOAL)];
  });
}
