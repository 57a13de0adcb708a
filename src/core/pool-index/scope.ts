/**
 * Who a request may get: the rosters that what it asks for leaves, of the providers that
 * serve. All of a pool's when it asks for nothing. Made anew for a request that asks
 * for labels or a provider, in the pool's one spare scope: it is read in the same turn.
 */
import type { LabelKey } from '../model.ts';
import type { LabelFilter, Selector } from '../selector.ts';
import type { Group } from './group.ts';
import { maskOf } from './label-set.ts';
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
  const filter = labels === null ? null : filterFor(member.group, labels);
  if (filter === null) return true;
  const has = member.labels?.labels;
  for (const [key, values] of Object.entries(filter)) {
    const value = has?.[key as LabelKey];
    if (value === undefined || !values.includes(value)) return false;
  }
  return true;
}

/** The scope of a request, good for this turn. */
export function scopeOf(pool: Pool, { labels, provider }: Narrowing): Scope {
  if (labels === null && provider === null) return pool.scope;
  const scope = pool.spareScope;
  scope.rosters.length = 0;
  scope.turn = 0;
  for (const group of pool.serving) {
    if (provider !== null && !isProvider(group, provider)) continue;
    const filter = labels === null ? null : filterFor(group, labels);
    if (filter === null) scope.rosters.push(group.roster);
    else pool.facets.get(maskOf(filter), pool.members).collect(group, filter, scope.rosters);
  }
  return scope;
}

/** What of a filter the labels of the group's sessions decide: what its provider's templates take goes there. null: nothing. */
function filterFor({ provider: { requests } }: Group, labels: LabelFilter): LabelFilter | null {
  if (requests === null) return labels;
  const left = Object.entries(labels).filter(([key]) => !requests.takes(key as LabelKey));
  return left.length === 0 ? null : Object.fromEntries(left);
}

/** Whether a provider is meant by this name or id. */
export function isProvider({ provider: { state } }: Group, wanted: string): boolean {
  return state.name === wanted || state.id === wanted;
}
