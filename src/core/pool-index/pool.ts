/**
 * One pool: its sessions by id and by token, and who of them can serve. The gateway
 * reads `state`, `size` and `outcome` and asks `resolve`; `Directory` writes.
 *
 *   ids, tokens (point → slot) ─▶ members (slot → member) ─▶ group ─▶ route
 *   scope: [ roster, roster, … ]   one a group that serves
 *   facets: rosters by labels, for each set of label keys that was asked for
 *
 * Invariant: `serving` holds exactly the groups whose provider serves and that
 * have members which can, `scope` their rosters, and `size` is the sum of those members.
 */

import type { AccountBinding } from '../account-binding.ts';
import type { Clock } from '../clock.ts';
import type { PoolState, ProviderId, Route, SelectionName, SessionId, SessionState } from '../model.ts';
import type { SelectorFault } from '../selector.ts';
import { compileTargetPolicy, type TargetPolicy } from '../target-policy.ts';
import type { RandomFill } from '../token-mint.ts';
import type { PoolAssignments } from './assignments.ts';
import type { Move } from './choice.ts';
import { Facets } from './facets.ts';
import type { Provider } from './group.ts';
import { Group } from './group.ts';
import type { HashKey } from './hash.ts';
import { hashText, mix, PUBLIC_KEY } from './hash.ts';
import { type Health, NO_TRIAL } from './health.ts';
import { LabelSets } from './label-set.ts';
import { BENCHED, Member, NOWHERE, OFF, SERVING, type Standing } from './member.ts';
import { PointTable } from './point-table.ts';
import type { PoolHealth } from './pool-health.ts';
import type { LocalExit } from './route.ts';
import { compileRoute, sameRoute } from './route.ts';
import { Scope } from './scope.ts';
import { PASSED_OVER } from './selection.ts';
import { Slots } from './slots.ts';
import type { StickyTable } from './sticky-table.ts';
import type { PoolSurroundings } from './surroundings.ts';

/** How the last `resolve` of a pool chose. */
export type ResolveOutcome =
  | SelectionName
  | 'token'
  | 'sticky'
  | 'consistent'
  | 'moved'
  | 'account'
  | 'assigned'
  | 'none';

export class Pool {
  // First what every choice reads, side by side: with thousands of pools each is a miss of the caches.
  state: PoolState;
  readonly judge: Health;
  /** Everybody who can serve. */
  readonly scope = new Scope();
  /** How the last `resolve` of this pool chose; for its metrics, read in the same turn. */
  outcome: ResolveOutcome = 'none';
  /** What the last `resolve` moved, if anything. */
  moved: Move | null = null;
  /** What of the selector no route could be made of, at the last `resolve`. */
  fault: SelectorFault | null = null;
  /** The number of the trial that the last `resolve` began, or NO_TRIAL: it goes with the request. */
  trial = NO_TRIAL;
  #tokens = new PointTable();
  readonly #hashKey: HashKey;
  members = new Slots<Member>();
  readonly sticky: StickyTable;
  readonly #stickySalt: number;
  /** Makes each pool's consistent choices independent of the others'. */
  readonly ringSalt: number;
  /** Accounts bound to sessions; null until somebody binds one. */
  assignments: PoolAssignments | null = null;
  facets: Facets;
  /** For requests that want less: written by `scopeOf`, good for one turn. */
  readonly spareScope = new Scope();
  readonly serving: Group[] = [];
  readonly clock: Clock;
  /** What its policies say of targets; null where they say nothing. */
  targets: TargetPolicy | null;
  /** Sessions that can serve, whether or not the pool itself is enabled. */
  size = 0;
  /** Live sessions in all. */
  total = 0;
  /** Written by `Health` alone. */
  health: PoolHealth | null = null;
  /** Choices so far, where the selection looks at when sessions were used. */
  uses = 0;
  /** How often another selection was set: an order of use from before says nothing of now. */
  era = 0;
  /** What chance says of the next choice and of those it may pass over, two for each: drawn before, so that it can be foreseen. */
  readonly draws = new Float64Array(2 * (1 + PASSED_OVER));
  readonly #random: () => number;
  /** Random octets, for tokens. */
  readonly fill: RandomFill;
  readonly onBind: (binding: AccountBinding) => void;
  readonly localExit: LocalExit | null;
  readonly #groups = new Map<ProviderId, Group>();
  #ids = new PointTable();
  readonly #labels = new LabelSets();
  #destroyed = false;

  constructor(state: PoolState, surroundings: PoolSurroundings) {
    this.state = state;
    this.targets = compileTargetPolicy(state.policy);
    this.sticky = surroundings.sticky;
    this.localExit = surroundings.localExit;
    this.clock = surroundings.clock;
    this.judge = surroundings.judge;
    this.fill = surroundings.fill;
    this.#random = surroundings.random;
    for (let i = 0; i < this.draws.length; i++) this.draws[i] = this.#random();
    this.onBind = surroundings.onBind;
    this.facets = new Facets(() => surroundings.onWork(this));
    this.#hashKey = surroundings.hashKey;
    this.#stickySalt = hashText(state.id, this.#hashKey);
    this.ringSalt = hashText(state.id, PUBLIC_KEY);
  }

  /** Takes a new state over; disabling retires every route, in time proportional to the providers. */
  update(state: PoolState): void {
    if (this.state.enabled && !state.enabled) for (const group of this.#groups.values()) group.expire();
    if (this.state.policy.selection !== state.policy.selection) this.era++;
    this.state = state;
    this.targets = compileTargetPolicy(state.policy);
    this.judge.resized(this);
  }

  /** Goes on with what is being built; true while more is left. Call it from a coarse tick. */
  step(): boolean {
    return this.facets.step(this.members);
  }

  /** Chance has had its say. */
  draw(): void {
    const { draws } = this;
    for (let i = 2; i < draws.length; i++) draws[i - 2] = draws[i]!;
    draws[draws.length - 2] = this.#random();
    draws[draws.length - 1] = this.#random();
  }

  /** A member was put on its group's roster. */
  came(member: Member): void {
    this.facets.came(member);
    this.assignments?.came(member);
  }

  /** A member was taken off its group's roster. */
  left(member: Member): void {
    this.facets.left(member);
    this.assignments?.left(member);
  }

  /** Its live sessions, by provider. */
  groups(): Iterable<Group> {
    return this.#groups.values();
  }

  /** Whether a member of this pool can be chosen, the pool being enabled. */
  serves(member: Member): boolean {
    return this.state.enabled && member.serving && member.group.serving;
  }

  /** Whether a member's route may be in use: it is enabled with its provider and pool, in good health or not. */
  holds(member: Member): boolean {
    return this.state.enabled && member.eligible && member.group.provider.serves && !member.group.gone;
  }

  /** The member's route as of now. */
  routeOf(member: Member): Route | null {
    return member.group.routeOf(member);
  }

  /** A sticky key's or a token's hash in this directory. */
  keyHash(text: string): number {
    return hashText(text, this.#hashKey);
  }

  /** The place of a key, by its `keyHash`, in the table that all pools share. */
  stickyHash(keyHash: number): number {
    return mix(keyHash ^ this.#stickySalt);
  }

  /** The session with this very token, whether or not it can serve. */
  findByToken(keyHash: number, token: string): Member | undefined {
    const tokens = this.#tokens;
    for (let at = tokens.seek(keyHash); at >= 0; at = tokens.next(keyHash, at)) {
      const member = this.members.get(tokens.slotAt(keyHash, at));
      if (member !== undefined && member.token === token && !member.group.gone) return member;
    }
    return undefined;
  }

  /** The session with this id, whether or not it can serve. */
  findById(id: SessionId): Member | undefined {
    return this.#find(id, hashText(id, PUBLIC_KEY));
  }

  /** Adds or changes a session; answers the route that this retired, if any. */
  put(session: SessionState, provider: Provider): Route | null {
    const point = hashText(session.id, PUBLIC_KEY);
    const known = this.#find(session.id, point);
    if (known !== undefined && known.group.provider === provider) return this.#change(known, session);
    const retired = known === undefined ? null : this.remove(session.id);
    this.#insert(session, point, this.#groupOf(provider));
    return retired;
  }

  /** Takes a session out; answers its route if that could be in use. Unknown ids change nothing. */
  remove(id: SessionId): Route | null {
    const member = this.findById(id);
    if (member === undefined) return null;
    const { group, route, eligible } = member;
    this.#stand(member, null);
    this.#forget(member);
    this.total--;
    this.judge.forget(member);
    if (group.total === 0) {
      this.#groups.delete(group.provider.state.id);
      group.provider.groups.delete(group);
    }
    return eligible ? route : null;
  }

  /** Leaves a member out for its health, or lets it serve again; one that is not eligible stays as it is. */
  bench(member: Member, benched: boolean): void {
    if (member.eligible && !member.group.gone) this.#stand(member, benched ? BENCHED : SERVING);
  }

  /** Brings `serving`, `scope` and `size` in line with what a group has become. */
  admit(group: Group): void {
    const should = !group.gone && !group.suspended && group.provider.serves && group.roster.size > 0;
    if (should === group.serving) return;
    group.serving = should;
    if (should) {
      this.serving.push(group);
      this.scope.rosters.push(group.roster);
      this.size += group.roster.size;
      return;
    }
    const index = this.serving.indexOf(group);
    this.serving.splice(index, 1);
    this.scope.rosters.splice(index, 1);
    this.size -= group.roster.size;
    if (index < this.scope.turn) this.scope.turn--;
    if (this.scope.turn >= this.serving.length) this.scope.turn = 0;
  }

  /** Stops a deleted provider's group at once; `clear` takes its members out later. */
  drop(group: Group): void {
    group.gone = true;
    this.admit(group);
    this.total -= group.total;
    this.facets.drop(group);
    this.#groups.delete(group.provider.state.id);
    group.provider.groups.delete(group);
    this.judge.resized(this);
  }

  /** Takes up to `limit` members of a dropped group out of the tables; answers how many. */
  clear(group: Group, limit: number): number {
    if (this.#destroyed) group.abandon();
    let done = 0;
    for (; done < limit; done++) {
      const member = group.roster.list.pop() ?? group.bench.pop() ?? group.others.pop();
      if (member === undefined) break;
      member.standing = NOWHERE;
      this.#forget(member);
      this.judge.forget(member);
    }
    return done;
  }

  /** Lets go of everything, so that what still refers to a deleted pool keeps no session alive. */
  destroy(): void {
    for (const group of this.#groups.values()) {
      group.gone = true;
      group.serving = false;
      group.provider.groups.delete(group);
    }
    this.#groups.clear();
    this.serving.length = 0;
    this.scope.rosters.length = 0;
    this.spareScope.rosters.length = 0;
    this.facets = new Facets(() => undefined);
    this.size = 0;
    this.total = 0;
    this.members = new Slots();
    this.#ids = new PointTable();
    this.#tokens = new PointTable();
    this.assignments = null;
    this.judge.closed(this);
    this.#destroyed = true;
  }

  #find(id: SessionId, point: number): Member | undefined {
    const ids = this.#ids;
    for (let at = ids.seek(point); at >= 0; at = ids.next(point, at)) {
      const member = this.members.get(ids.slotAt(point, at));
      if (member !== undefined && member.id === id && !member.group.gone) return member;
    }
    return undefined;
  }

  #groupOf(provider: Provider): Group {
    const known = this.#groups.get(provider.state.id);
    if (known !== undefined) return known;
    const group = new Group(this, provider);
    this.#groups.set(provider.state.id, group);
    return group;
  }

  #insert(session: SessionState, point: number, group: Group): void {
    const member = new Member(session, point, group, this.#labels.take(session.labels));
    member.slot = this.members.add(member);
    this.#ids.insert(point, member.slot);
    this.#tokens.insert(this.keyHash(member.token), member.slot);
    this.total++;
    group.assign(member, this.#compile(session, group));
    this.#stand(member, this.#standingOf(member, session.enabled));
    this.judge.joined(member);
  }

  /** A route stays only if it could be in use before and after, and leads to the same. */
  #change(member: Member, session: SessionState): Route | null {
    const { group, route: before, eligible: wasEligible } = member;
    const fresh = this.#compile(session, group);
    const moved = session.localAddress !== member.localAddress;
    const same = before !== null && fresh !== null && !moved && sameRoute(before, fresh);
    if (session.token !== member.token) {
      this.#tokens.remove(this.keyHash(member.token), member.slot);
      this.#tokens.insert(this.keyHash(session.token), member.slot);
      member.token = session.token;
    }
    member.localAddress = session.localAddress;
    const kept = same && wasEligible && session.enabled && !group.hasRetired(member);
    group.assign(member, kept ? before : fresh);
    // What it failed with was another endpoint or credential.
    if (!same) this.judge.forget(member);
    this.#relabel(member, session);
    const standing = this.#standingOf(member, session.enabled);
    if (standing !== member.standing) this.#stand(member, standing);
    return kept || !wasEligible ? null : before;
  }

  /** Routes share the pool's and provider's own id strings: a change brings copies. */
  #compile(session: SessionState, group: Group): Route | null {
    const { state } = group.provider;
    return compileRoute({ ...session, poolId: this.state.id }, state, this.localExit);
  }

  /** Where a member belongs. */
  #standingOf(member: Member, enabled: boolean): Standing {
    const { group, route } = member;
    // Only a STATIC session lacks an endpoint for itself; a provider that lacks one does not serve as a whole.
    if (!enabled || (route === null && group.provider.state.type === 'static')) return OFF;
    return this.judge.isOut(member) ? BENCHED : SERVING;
  }

  /** Takes a member out of where it stands, and puts it where it belongs from now on; null: nowhere. */
  #stand(member: Member, standing: Standing | null): void {
    const { group } = member;
    if (member.position >= 0) {
      if (member.serving && group.serving) this.size--;
      group.remove(member);
    }
    if (standing !== null) {
      group.add(member, standing);
      if (standing === SERVING && group.serving) this.size++;
    }
    this.admit(group);
  }

  /** Other labels are other cells. */
  #relabel(member: Member, { labels }: SessionState): void {
    const fresh = this.#labels.take(labels);
    this.#labels.give(member.labels);
    if (fresh === member.labels) return;
    const { serving } = member;
    if (serving) this.facets.left(member);
    member.labels = fresh;
    if (serving) this.facets.came(member);
  }

  #forget(member: Member): void {
    this.#ids.remove(member.point, member.slot);
    this.#tokens.remove(this.keyHash(member.token), member.slot);
    this.assignments?.forget(member);
    this.facets.forget(member);
    this.#labels.give(member.labels);
    this.members.free(member.slot);
  }
}
