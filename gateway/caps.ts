/**
 * How much may be under way at once, by level: each has a bound, a count, and the
 * cause of a refusal. What takes a slot gives it back exactly once, when it ends.
 *
 *   level                bound                         taken by … given when it ends
 *   client connections   maxClientConnections          an accepted connection       (`server.ts`)
 *   … of an address      maxConnectionsPerAddress      an accepted connection
 *   turned away          a share of the sockets        one that reads its refusal   (`turn-away.ts`)
 *   sockets              descriptors less a reserve    each of those, and of ours to upstreams (`dial.ts`)
 *   API key              maxConnectionsPerKey          a request or tunnel          (`exchange.ts`)
 *   workspace            maxConnectionsPerWorkspace    a request or tunnel
 *   tunnels of a session maxTunnelsPerSession          a tunnel, from its admission
 *   dials                maxPendingDials               a dial until it is open
 *   dials of a session   maxPendingDialsPerSession     a dial until it is open
 *
 * Sessions carry their own counts (`SessionLive`), so that a request looks nothing up
 * for them. All is zero once nobody is served.
 */
import type { Cause } from '../src/core/cause.ts';
import type { GatewayLimits } from '../src/core/limits.ts';
import type { ApiKeyId, ApiKeyState, PoolPolicyState, Route, WorkspaceId } from '../src/core/model.ts';
import { leadsToExit } from '../src/core/pool-index/route.ts';
import type { SessionLive } from '../src/core/pool-index/session-live.ts';
import { DESCRIPTOR_RESERVE } from './descriptors.ts';

/** One in so many sockets, and no more than this, is for clients that are being turned away. */
const TURNED_AWAY_SHARE = 32;
const MAX_TURNED_AWAY = 1_024;

/** Slots taken now, by level. */
export interface CapHoldings {
  readonly connections: number;
  readonly turnedAway: number;
  readonly sockets: number;
  readonly requests: number;
  readonly tunnels: number;
  readonly dials: number;
  /** Addresses, keys and workspaces that have a count. */
  readonly members: number;
}

/** The slots that one member of a level has taken. */
class Taken<Member> {
  readonly member: Member;
  count = 0;

  constructor(member: Member) {
    this.member = member;
  }
}

/** Counts of one level, by member; members without any are forgotten. */
class Level<Member> {
  readonly #members = new Map<Member, Taken<Member>>();
  readonly #bound: number;

  constructor(bound: number) {
    this.#bound = bound;
  }

  get members(): number {
    return this.#members.size;
  }

  /** Takes a slot of the member; null: it has none left. */
  take(member: Member): Taken<Member> | null {
    let taken = this.#members.get(member);
    if (taken === undefined) {
      if (this.#bound === 0) return null;
      taken = new Taken(member);
      this.#members.set(member, taken);
    }
    if (taken.count >= this.#bound) return null;
    taken.count++;
    return taken;
  }

  /** Gives back a slot that was taken. */
  give(taken: Taken<Member>): void {
    if (--taken.count === 0) this.#members.delete(taken.member);
  }

  /** The same, of whoever does not know it by anything but its name. */
  giveOf(member: Member): void {
    this.give(this.#members.get(member)!);
  }
}

/** What a request holds until it ends. */
export interface RequestSlots {
  readonly key: Taken<ApiKeyId>;
  readonly workspace: Taken<WorkspaceId>;
}

export class Caps {
  /** What `maxClientConnections` comes to, as each client may need a socket to an upstream too. */
  readonly maxConnections: number;
  readonly #maxSockets: number;
  readonly #maxTurnedAway: number;
  readonly #maxDials: number;
  readonly #addresses: Level<string>;
  readonly #keys: Level<ApiKeyId>;
  readonly #workspaces: Level<WorkspaceId>;
  #connections = 0;
  #turnedAway = 0;
  #sockets = 0;
  #requests = 0;
  #tunnels = 0;
  #dials = 0;

  /** `descriptors`: how many this process may have. */
  constructor(limits: GatewayLimits, descriptors: number) {
    this.#maxSockets = Math.max(2, descriptors - DESCRIPTOR_RESERVE);
    this.#maxTurnedAway = Math.min(MAX_TURNED_AWAY, Math.floor(this.#maxSockets / TURNED_AWAY_SHARE));
    this.maxConnections = Math.min(
      limits.maxClientConnections,
      Math.floor((this.#maxSockets - this.#maxTurnedAway) / 2),
    );
    this.#maxDials = limits.maxPendingDials;
    this.#addresses = new Level(limits.maxConnectionsPerAddress);
    this.#keys = new Level(limits.maxConnectionsPerKey);
    this.#workspaces = new Level(limits.maxConnectionsPerWorkspace);
  }

  holdings(): CapHoldings {
    return {
      connections: this.#connections,
      turnedAway: this.#turnedAway,
      sockets: this.#sockets,
      requests: this.#requests,
      tunnels: this.#tunnels,
      dials: this.#dials,
      members: this.#addresses.members + this.#keys.members + this.#workspaces.members,
    };
  }

  /** A client of this network (`networkOf`) connects; a cause: it is to be turned away. */
  connect(network: string): Cause | null {
    if (this.#connections >= this.maxConnections || this.#sockets >= this.#maxSockets) return 'overloaded';
    if (this.#addresses.take(network) === null) return 'overloaded';
    this.#connections++;
    this.#sockets++;
    return null;
  }

  /** A client's connection that was taken is gone. */
  disconnect(network: string): void {
    this.#connections--;
    this.#sockets--;
    this.#addresses.giveOf(network);
  }

  /** A connection that is not taken may stay until its answer is read; false: it may not. */
  turnAway(): boolean {
    if (this.#turnedAway >= this.#maxTurnedAway || this.#sockets >= this.#maxSockets) return false;
    this.#turnedAway++;
    this.#sockets++;
    return true;
  }

  /** One that might stay is gone. */
  turnedAway(): void {
    this.#turnedAway--;
    this.#sockets--;
  }

  /** A request or tunnel begins: what it gives back with `release`; null: its key or workspace has no slot left. */
  admit({ id, workspaceId }: ApiKeyState): RequestSlots | null {
    const key = this.#keys.take(id);
    if (key === null) return null;
    const workspace = this.#workspaces.take(workspaceId);
    if (workspace === null) {
      this.#keys.give(key);
      return null;
    }
    this.#requests++;
    return { key, workspace };
  }

  /** One that was admitted ends. */
  release({ key, workspace }: RequestSlots): void {
    this.#requests--;
    this.#keys.give(key);
    this.#workspaces.give(workspace);
  }

  /** A tunnel of this session begins. */
  openTunnel(live: SessionLive, { maxTunnelsPerSession: bound }: PoolPolicyState): Cause | null {
    if (bound !== 0 && live.tunnels >= bound) return 'limit_reached';
    live.tunnels++;
    this.#tunnels++;
    return null;
  }

  closeTunnel(live: SessionLive): void {
    live.tunnels--;
    this.#tunnels--;
  }

  /** A dial of this session begins. */
  beginDial(live: SessionLive, { maxPendingDialsPerSession: bound }: PoolPolicyState): Cause | null {
    if (this.#dials >= this.#maxDials) return 'overloaded';
    if (bound !== 0 && live.dials >= bound) return 'limit_reached';
    live.dials++;
    this.#dials++;
    return null;
  }

  endDial(live: SessionLive): void {
    live.dials--;
    this.#dials--;
  }

  /** Whether the sockets that a connection of this route takes may be opened. */
  hasSockets(route: Route): boolean {
    return this.#sockets + socketsOf(route) <= this.#maxSockets;
  }

  /** A connection of this route is opened. */
  openSockets(route: Route): void {
    this.#sockets += socketsOf(route);
  }

  closeSockets(route: Route): void {
    this.#sockets -= socketsOf(route);
  }
}

/** One, but for LOCAL routes: the embedded exit has two of its own for each. */
function socketsOf(route: Route): number {
  return leadsToExit(route) ? 3 : 1;
}
