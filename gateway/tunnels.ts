/**
 * The live tunnels and upgrades, by the route that they go over: whom a revocation and
 * the end of a drain must reach. `tunnel.ts` and `upgrade.ts` enter and leave.
 *
 *   all:           newest ⇄ … ⇄ oldest
 *   of a session:  newest ⇄ … ⇄ oldest     (by its own route; those that were made of it for requests stand there too)
 *
 * Lists whose entries carry the links, and no sets: a set that each tunnel enters and leaves
 * is rebuilt again and again, and what was left of one in the old generation keeps whom it
 * held alive until the next full collection (docs/decisions/0025).
 */
import type { OnRevokeName, Route } from '../src/core/model.ts';
import { baseOf } from '../src/core/pool-index/request-route.ts';
import { Deadline, type Deadlines } from './deadlines.ts';
import { type Linked, UnderWay } from './under-way.ts';

/** Something live that a revocation or the end of a drain must be able to cut. */
export interface Cuttable {
  /** Hash of the API key it was opened with. */
  readonly keyHash: string;
  /** Whether it is open; until then whatever it goes by must be valid. */
  readonly open: boolean;
  /** What its pool wants to become of it when its session or key is revoked. */
  readonly onRevoke: OnRevokeName;
  /** Ends it now, visibly. */
  cut(cause: 'revoked' | 'draining'): void;
}

/** A tunnel's place in the lists, until it leaves them. */
export class TunnelEntry implements Linked<TunnelEntry> {
  newer: TunnelEntry | null = null;
  older: TunnelEntry | null = null;
  /** Those before and behind it of the same session. */
  before: TunnelEntry | null = null;
  behind: TunnelEntry | null = null;
  /** While it was revoked and has its grace. */
  grace: Deadline | null = null;
  readonly tunnel: Cuttable;
  readonly route: Route;

  constructor(tunnel: Cuttable, route: Route) {
    this.tunnel = tunnel;
    this.route = route;
  }
}

/** What goes over a session's own route, and over those that were made of it. */
interface SessionTunnels {
  first: TunnelEntry | null;
}

export class Tunnels {
  readonly #all = new UnderWay<TunnelEntry>();
  readonly #bySession = new WeakMap<Route, SessionTunnels>();
  readonly #deadlines: Deadlines;
  readonly #graceMs: number;

  /** `graceMs`: how long tunnels of pools with `onRevoke: DRAIN` may go on. */
  constructor(deadlines: Deadlines, graceMs: number) {
    this.#deadlines = deadlines;
    this.#graceMs = graceMs;
  }

  get size(): number {
    return this.#all.size;
  }

  add(route: Route, tunnel: Cuttable): TunnelEntry {
    const entry = new TunnelEntry(tunnel, route);
    this.#all.add(entry);
    const own = this.#of(route);
    entry.behind = own.first;
    if (own.first !== null) own.first.before = entry;
    own.first = entry;
    return entry;
  }

  /** It ended, or goes another way. An entry leaves once. */
  remove(entry: TunnelEntry): void {
    const { before, behind, route } = entry;
    entry.grace?.release();
    this.#all.remove(entry);
    if (before === null) this.#of(route).first = behind;
    else before.behind = behind;
    if (behind !== null) behind.before = before;
    entry.before = null;
    entry.behind = null;
  }

  /** The route is no longer valid, nor are those that were made of it: what goes over them is revoked in this turn. */
  retire(route: Route): void {
    const base = baseOf(route);
    const reached: TunnelEntry[] = [];
    for (let entry = this.#bySession.get(base)?.first ?? null; entry !== null; entry = entry.behind) {
      if (route === base || entry.route === route) reached.push(entry);
    }
    for (const entry of reached) this.#revoke(entry);
  }

  /** Revokes what goes over a route that is not current any more. */
  retireStale(isCurrent: (route: Route) => boolean): void {
    for (const entry of [...this.#all]) if (!isCurrent(entry.route)) this.#revoke(entry);
  }

  /** A key was revoked: what was opened with it ends (A10). */
  revokeKey(hash: string): void {
    for (const entry of [...this.#all]) if (entry.tunnel.keyHash === hash) this.#revoke(entry);
  }

  /** Ends all of them: a drain is over. */
  cutAll(): void {
    for (const { tunnel } of [...this.#all]) tunnel.cut('draining');
  }

  /** Ends a tunnel as its pool wants it: at once, after a grace, or not at all. One that is not open yet never will be. */
  #revoke(entry: TunnelEntry): void {
    const { tunnel } = entry;
    if (!tunnel.open || tunnel.onRevoke === 'cut') return tunnel.cut('revoked');
    if (tunnel.onRevoke === 'keep' || entry.grace !== null) return;
    entry.grace = new Deadline(this.#deadlines, () => tunnel.cut('revoked'));
    entry.grace.arm(this.#graceMs);
  }

  #of(route: Route): SessionTunnels {
    const base = baseOf(route);
    let own = this.#bySession.get(base);
    if (own === undefined) {
      own = { first: null };
      this.#bySession.set(base, own);
    }
    return own;
  }
}
