/**
 * Tells the rosters that a member stands in of its use, where the pool's selection looks
 * at that (`usage-order.ts`): its group's, and those of its labels.
 */
import type { Member } from './member.ts';
import type { Roster } from './roster.ts';

/** The member was chosen, by whatever way: it is the latest now. */
export function noteUse(member: Member): void {
  const { group, serving } = member;
  const { selection } = group.pool.state.policy;
  if (!serving || (selection !== 'least_connections' && selection !== 'least_recently_used')) return;
  // All rosters of a pool are compared by the same count.
  const time = ++group.pool.uses;
  use(member, group.roster, time);
  for (const roster of group.pool.facets.rostersOf(member)) use(member, roster, time);
}

/** Requests of the member began or ended. */
export function noteLoad(member: Member): void {
  const { group, serving } = member;
  if (!serving || group.pool.state.policy.selection !== 'least_connections') return;
  group.roster.order?.changed(member);
  for (const { order } of group.pool.facets.rostersOf(member)) order?.changed(member);
}

/** It is among those that were used from here, and the last of them. */
function use(member: Member, roster: Roster, time: number): void {
  if (roster.order === null) return;
  roster.serve(member);
  roster.order.used(member, time);
}
