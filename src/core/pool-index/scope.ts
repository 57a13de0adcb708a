/**
 * Who a request may get: the rosters that what it asks for leaves, of the providers that
 * serve. All of a pool's when it asks for nothing. Made anew for a request that asks
 * for labels or a provider, in the pool's one spare scope: it is read in the same turn.
 */
import { CompiledFilter, type LabelMask } from '../label-filter.ts';
import { LABEL_KEYS } from '../model.ts';
import type { Selector } from '../selector.ts';
import type { Group } from './group.ts';
import type { Member } from './member.ts';
import type { Pool } from './pool.ts';
import type { Roster } from './roster.ts';

export class Scope {
  readonly rosters: Roster[] = [];
  /** The roster whose turn it is. */
  turn = 0;

  get size(): number {
    let size = 0;
    for (const roster of this.rosters) size += roster.size;
    return size;
  }
}

/** What of a selector narrows the choice down. */
export type Narrowing = Pick<Selector, 'labels' | 'provider'>;

/** Whether a request may get this member as far as it says what it wants. */
export function isWanted(member: Member, { labels, provider }: Narrowing): boolean {
  if (provider !== null && !isProvider(member.group, provider)) return false;
  if (labels === null) return true;
  const filter = CompiledFilter.of(labels);
  return filter.fits(member.labels?.labels, maskFor(member.group, filter));
}

/** The scope of a request, good for this turn. */
export function scopeOf(pool: Pool, { labels, provider }: Narrowing): Scope {
  if (labels === null && provider === null) return pool.scope;
  const scope = pool.spareScope;
  scope.rosters.length = 0;
  scope.turn = 0;
  const filter = labels === null ? null : CompiledFilter.of(labels);
  for (const group of pool.serving) {
    if (provider !== null && !isProvider(group, provider)) continue;
    const mask = filter === null ? 0 : maskFor(group, filter);
    if (filter === null || mask === 0) scope.rosters.push(group.roster);
    else pool.facets.get(mask, pool.members).collect(group, filter, scope.rosters);
  }
  return scope;
}

/** Which keys of a filter the labels of the group's sessions decide: what its provider's templates take goes there. */
function maskFor({ provider: { requests } }: Group, { mask }: CompiledFilter): LabelMask {
  if (requests === null) return mask;
  return LABEL_KEYS.reduce((left, key, bit) => (requests.takes(key) ? left & ~(1 << bit) : left), mask);
}

/** Whether a provider is meant by this name or id. */
export function isProvider({ provider: { state } }: Group, wanted: string): boolean {
  return state.name === wanted || state.id === wanted;
}
