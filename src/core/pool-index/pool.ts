/**
 * One pool: its sessions by id and by token, and whose turn it is. The gateway
 * reads `state`, `size` and `outcome` and asks `resolve`; `Directory` writes.
 *
 *   ids, tokens (point → slot) ─▶ members (slot → member) ─▶ group ─▶ route
 *   serving: [ group, group, … ]   turn ─▶ a group, offset ─▶ the next of its members
 *
 * Invariant: `serving` holds exactly the groups whose provider serves and that
 * have eligible members, and `size` is the sum of those members.
 */
import type { PoolState, ProviderId, Route, SessionId, SessionState } from '../model.ts';
import { compileTargetPolicy, type TargetPolicy } from '../target-policy.ts';
import type { PoolAssignments } from './assignments.ts';
import type { Provider } from './group.ts';
import { Group } from './group.ts';
import type { HashKey } from './hash.ts';
import { hashText, mix, PUBLIC_KEY } from './hash.ts';
import { Member } from './member.ts';
import { PointTable } from './point-table.ts';
import type { LocalExit } from './route.ts';
import { compileRoute, sameRoute } from './route.ts';
import { Slots } from './slots.ts';
import type { MoveReason, StickyTable } from './sticky-table.ts';

/** How the last `resolve` of a pool chose. */
export type ResolveOutcome = 'round_robin' | 'token' | 'sticky' | 'consistent' | 'moved' | 'none';

/** What all pools of a directory share. */
export interface PoolSurroundings {
  readonly hashKey: HashKey;
  readonly localExit: LocalExit | null;
  readonly sticky: StickyTable;
}

export class Pool {
  state: PoolState;
  /** What its policies say of targets; null where they say nothing. */
  targets: TargetPolicy | null;
  /** Sessions that can serve, whether or not the pool itself is enabled. */
  size = 0;
  /** Live sessions in all. */
  total = 0;
  /** How the last `resolve` of this pool chose; for its metrics, read in the same turn. */
  outcome: ResolveOutcome = 'none';
  readonly serving: Group[] = [];
  /** Accounts bound to sessions; null until somebody binds one. */
  assignments: PoolAssignments | null = null;
  readonly sticky: StickyTable;
  readonly localExit: LocalExit | null;
  /** Makes each pool's consistent choices independent of the others'. */
  readonly ringSalt: number;
  members = new Slots<Member>();
  readonly #hashKey: HashKey;
  readonly #stickySalt: number;
  readonly #groups = new Map<ProviderId, Group>();
  #ids = new PointTable();
  #tokens = new PointTable();
  #turn = 0;
  #offset = 0;
  #destroyed = false;

  constructor(state: PoolState, surroundings: PoolSurroundings) {
    this.state = state;
    this.targets = compileTargetPolicy(state.policy);
    this.sticky = surroundings.sticky;
    this.localExit = surroundings.localExit;
    this.#hashKey = surroundings.hashKey;
    this.#stickySalt = hashText(state.id, this.#hashKey);
    this.ringSalt = hashText(state.id, PUBLIC_KEY);
  }

  /** Takes a new state over; disabling retires every route, in time proportional to the providers. */
  update(state: PoolState): void {
    if (this.state.enabled && !state.enabled) for (const group of this.#groups.values()) group.expire();
    this.state = state;
    this.targets = compileTargetPolicy(state.policy);
  }

  /** The next member in turn. `size` must not be zero. */
  next(): Member {
    let group = this.serving[this.#turn]!;
    if (this.#offset >= group.eligible.length) {
      this.#offset = 0;
      this.#turn = this.#turn + 1 < this.serving.length ? this.#turn + 1 : 0;
      group = this.serving[this.#turn]!;
    }
    return group.eligible.get(this.#offset++);
  }

  /**
   * Whose turn is next, and whose it would be if that one left; nobody's turn passes. `size` must not be zero.
   */
  peek(): { readonly next: Member; readonly runnerUp: Member | null } {
    const { serving } = this;
    const over = this.#offset >= serving[this.#turn]!.eligible.length;
    const turn = over ? (this.#turn + 1) % serving.length : this.#turn;
    const position = over ? 0 : this.#offset;
    const { eligible } = serving[turn]!;
    const next = eligible.get(position);
    // A waiting member that leaves is replaced by the last of its group (`Group.remove`).
    if (position < eligible.length - 1) return { next, runnerUp: eligible.get(eligible.length - 1) };
    const after = serving[(turn + 1) % serving.length]!.eligible.get(0);
    return { next, runnerUp: after === next ? null : after };
  }

  /** Its live sessions, by provider. */
  groups(): Iterable<Group> {
    return this.#groups.values();
  }

  /** Whether a member of this pool can serve, the pool being enabled. */
  serves(member: Member): boolean {
    return this.state.enabled && member.eligible && member.group.serving;
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

  /** Why a member that a key was on cannot serve it. `member` is what now stands in its slot. */
  absence(member: Member | undefined, id: SessionId): MoveReason {
    if (member === undefined || member.id !== id || member.group.gone) return 'removed';
    return member.eligible ? 'provider_disabled' : 'disabled';
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
    this.#takeOut(member);
    this.#forget(member);
    this.total--;
    if (group.total === 0) {
      this.#groups.delete(group.provider.state.id);
      group.provider.groups.delete(group);
    }
    return eligible ? route : null;
  }

  /** Brings `serving` and `size` in line with what a group has become. */
  admit(group: Group): void {
    const should = !group.gone && group.provider.serves && group.eligible.length > 0;
    if (should === group.serving) return;
    group.serving = should;
    if (should) {
      this.serving.push(group);
      this.size += group.eligible.length;
      return;
    }
    const index = this.serving.indexOf(group);
    this.serving.splice(index, 1);
    this.size -= group.eligible.length;
    if (index < this.#turn) this.#turn--;
    else if (index === this.#turn) this.#offset = 0;
    if (this.#turn >= this.serving.length) this.#turn = 0;
  }

  /** Stops a deleted provider's group at once; `clear` takes its members out later. */
  drop(group: Group): void {
    group.gone = true;
    this.admit(group);
    this.total -= group.total;
    this.#groups.delete(group.provider.state.id);
    group.provider.groups.delete(group);
  }

  /** Takes up to `limit` members of a dropped group out of the tables; answers how many. */
  clear(group: Group, limit: number): number {
    if (this.#destroyed) group.abandon();
    let done = 0;
    for (; done < limit; done++) {
      const member = group.eligible.pop() ?? group.others.pop();
      if (member === undefined) break;
      this.#forget(member);
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
    this.size = 0;
    this.total = 0;
    this.members = new Slots();
    this.#ids = new PointTable();
    this.#tokens = new PointTable();
    this.assignments = null;
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
    const member = new Member(session.id, point, group, session.token, session.localAddress);
    member.slot = this.members.add(member);
    this.#ids.insert(point, member.slot);
    this.#tokens.insert(this.keyHash(member.token), member.slot);
    this.total++;
    group.assign(member, this.#compile(session, group));
    this.#takeIn(member, session.enabled);
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
    if (session.enabled !== wasEligible || fresh === null) {
      this.#takeOut(member);
      this.#takeIn(member, session.enabled);
    }
    return kept || !wasEligible ? null : before;
  }

  /** Routes share the pool's and provider's own id strings: a change brings copies. */
  #compile(session: SessionState, group: Group): Route | null {
    const { state } = group.provider;
    return compileRoute({ ...session, poolId: this.state.id }, state, this.localExit);
  }

  #takeIn(member: Member, enabled: boolean): void {
    const { group } = member;
    // Only a STATIC session lacks an endpoint for itself; a provider that lacks one does not serve as a whole.
    const eligible = enabled && (member.route !== null || group.provider.state.type !== 'static');
    group.add(member, eligible);
    if (eligible && group.serving) this.size++;
    this.admit(group);
  }

  #takeOut(member: Member): void {
    const { group, eligible } = member;
    const current = group.serving && this.serving[this.#turn] === group;
    const served = group.remove(member, current ? this.#offset : 0);
    if (current) this.#offset = served;
    if (eligible && group.serving) this.size--;
    this.admit(group);
  }

  #forget(member: Member): void {
    this.#ids.remove(member.point, member.slot);
    this.#tokens.remove(this.keyHash(member.token), member.slot);
    this.assignments?.forget(member);
    this.members.free(member.slot);
  }
}
