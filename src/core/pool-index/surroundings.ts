/** What the pools of a directory share: `Directory` makes one, each `Pool` holds on to its parts. */
import type { AccountBinding } from '../account-binding.ts';
import type { Clock } from '../clock.ts';
import type { RandomFill } from '../token-mint.ts';
import type { HashKey } from './hash.ts';
import type { Health } from './health.ts';
import type { Pool } from './pool.ts';
import type { LocalExit } from './route.ts';
import type { StickyTable } from './sticky-table.ts';

export interface PoolSurroundings {
  readonly hashKey: HashKey;
  readonly localExit: LocalExit | null;
  readonly sticky: StickyTable;
  readonly clock: Clock;
  readonly judge: Health;
  /** At least 0, below 1. */
  readonly random: () => number;
  readonly fill: RandomFill;
  /** There is work for `Pool.step`. */
  readonly onWork: (pool: Pool) => void;
  /** An account was bound in the index: to be written down. */
  readonly onBind: (binding: AccountBinding) => void;
}
