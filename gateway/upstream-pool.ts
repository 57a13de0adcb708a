/**
 * Idle upstream connections, filed under their route. A route stands for one
 * (workspace, session, credential version, TLS options): a connection can only
 * ever serve the identity it was opened for (E14).
 *
 * Bounds: `maxIdlePerSession`, `maxIdleUpstreams`, `upstreamIdleMs`. The newest
 * is taken first, so that the rest can grow old and close.
 */
import type { Cause } from '../src/core/cause.ts';
import type { Clock } from '../src/core/clock.ts';
import type { GatewayLimits } from '../src/core/limits.ts';
import type { Route } from '../src/core/model.ts';
import type { UpstreamConnection, UpstreamOwner } from './dial.ts';
import { UnderWay } from './under-way.ts';

/** For a request that must not be sent twice, only a connection that was idle this briefly is reused. */
const FRESH_MS = 2_000;

/** The idle connections of one route, the newest last. */
class IdleConnections {
  readonly connections: UpstreamConnection[] = [];
  isRetired = false;
}

export class UpstreamPool implements UpstreamOwner {
  readonly #ofRoute = new WeakMap<Route, IdleConnections>();
  /** All that are idle, whatever their route. */
  readonly #all = new UnderWay<UpstreamConnection>();
  readonly #limits: GatewayLimits;
  readonly #clock: Clock;

  constructor(limits: GatewayLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get size(): number {
    return this.#all.size;
  }

  /** The newest idle connection of this route and tunnel, now owned by the caller; null if there is none. */
  take(route: Route, tunnelTo: string | null, repeatable: boolean): UpstreamConnection | null {
    const connections = this.#ofRoute.get(route)?.connections;
    if (connections === undefined) return null;
    for (let i = connections.length - 1; i >= 0; i--) {
      const connection = connections[i]!;
      if (connection.tunnelTo !== tunnelTo) continue;
      if (!repeatable && this.#clock.monotonicMs() - connection.idleSince > FRESH_MS) return null;
      this.#takeOut(connections, i);
      connection.disarm();
      return connection;
    }
    return null;
  }

  /** Files a connection whose last response ended exactly. */
  give(connection: UpstreamConnection): void {
    const idle = this.#of(connection.route);
    const { connections } = idle;
    const full = this.size >= this.#limits.maxIdleUpstreams || connections.length >= this.#limits.maxIdlePerSession;
    if (full || idle.isRetired || connection.wire.destroyed) {
      connection.discard();
      return;
    }
    connection.owner = this;
    connection.idleSince = this.#clock.monotonicMs();
    connection.arm(this.#limits.upstreamIdleMs, 'idle_timeout');
    connections.push(connection);
    this.#all.add(connection);
  }

  /** Closes the route's idle connections; none of it is filed again. */
  retire(route: Route): void {
    const idle = this.#of(route);
    idle.isRetired = true;
    for (const connection of [...idle.connections]) this.drop(connection);
  }

  /** Retires every route that is no longer current. */
  retireStale(isCurrent: (route: Route) => boolean): void {
    for (const { route } of [...this.#all]) if (!isCurrent(route)) this.retire(route);
  }

  /** Closes the one that was idle for longest; false when nothing is idle. */
  dropOne(): boolean {
    const { oldest } = this.#all;
    if (oldest === null) return false;
    this.drop(oldest);
    return true;
  }

  /** Takes an idle connection out and destroys it. */
  drop(connection: UpstreamConnection): void {
    const { connections } = this.#of(connection.route);
    const at = connections.lastIndexOf(connection);
    if (at !== -1) this.#takeOut(connections, at);
    connection.discard();
  }

  // An idle connection that does anything is no longer fit: data nobody asked for, an end, an error.
  onConnected(): void {}
  onHandshake(): void {}
  onOpen(): void {}
  onDrain(): void {}
  onData(_chunk: Buffer, connection: UpstreamConnection): void {
    this.drop(connection);
  }
  onEnd(connection: UpstreamConnection): void {
    this.drop(connection);
  }
  onClosed(_cause: Cause, connection: UpstreamConnection): void {
    this.drop(connection);
  }

  close(): void {
    for (const connection of [...this.#all]) this.drop(connection);
  }

  #takeOut(connections: UpstreamConnection[], at: number): void {
    this.#all.remove(connections[at]!);
    // Nearly always the newest.
    if (at === connections.length - 1) connections.pop();
    else connections.splice(at, 1);
  }

  #of(route: Route): IdleConnections {
    let idle = this.#ofRoute.get(route);
    if (idle === undefined) {
      idle = new IdleConnections();
      this.#ofRoute.set(route, idle);
    }
    return idle;
  }
}
