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

/** For a request that must not be sent twice, only a connection that was idle this briefly is reused. */
const FRESH_MS = 2_000;

export class UpstreamPool implements UpstreamOwner {
  readonly #idle = new Map<Route, UpstreamConnection[]>();
  readonly #retired = new WeakSet<Route>();
  readonly #limits: GatewayLimits;
  readonly #clock: Clock;
  #count = 0;

  constructor(limits: GatewayLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get size(): number {
    return this.#count;
  }

  /** The newest idle connection of this route and tunnel, now owned by the caller; null if there is none. */
  take(route: Route, tunnelTo: string | null, repeatable: boolean): UpstreamConnection | null {
    const idle = this.#idle.get(route);
    if (idle === undefined) return null;
    for (let i = idle.length - 1; i >= 0; i--) {
      const connection = idle[i]!;
      if (connection.tunnelTo !== tunnelTo) continue;
      if (!repeatable && this.#clock.monotonicMs() - connection.idleSince > FRESH_MS) return null;
      this.#remove(connection);
      connection.disarm();
      return connection;
    }
    return null;
  }

  /** Files a connection whose last response ended exactly. */
  give(connection: UpstreamConnection): void {
    const { route } = connection;
    const idle = this.#idle.get(route);
    const full = this.#count >= this.#limits.maxIdleUpstreams || (idle?.length ?? 0) >= this.#limits.maxIdlePerSession;
    if (full || this.#retired.has(route) || connection.wire.destroyed) {
      connection.discard();
      return;
    }
    connection.owner = this;
    connection.idleSince = this.#clock.monotonicMs();
    connection.arm(this.#limits.upstreamIdleMs, 'idle_timeout');
    if (idle === undefined) this.#idle.set(route, [connection]);
    else idle.push(connection);
    this.#count++;
  }

  /** Closes the route's idle connections; none of it is filed again. */
  retire(route: Route): void {
    this.#retired.add(route);
    for (const connection of [...(this.#idle.get(route) ?? [])]) this.drop(connection);
  }

  /** Retires every route that is no longer current. */
  retireStale(isCurrent: (route: Route) => boolean): void {
    for (const route of [...this.#idle.keys()]) if (!isCurrent(route)) this.retire(route);
  }

  /** Closes the oldest idle connection of some route; false when nothing is idle. */
  dropOne(): boolean {
    for (const [oldest] of this.#idle.values()) {
      this.drop(oldest!);
      return true;
    }
    return false;
  }

  /** Takes an idle connection out and destroys it. */
  drop(connection: UpstreamConnection): void {
    this.#remove(connection);
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
    for (const idle of [...this.#idle.values()]) for (const connection of [...idle]) this.drop(connection);
  }

  #remove(connection: UpstreamConnection): void {
    const idle = this.#idle.get(connection.route);
    const at = idle?.lastIndexOf(connection) ?? -1;
    if (idle === undefined || at === -1) return;
    // Nearly always the newest.
    if (at === idle.length - 1) idle.pop();
    else idle.splice(at, 1);
    if (idle.length === 0) this.#idle.delete(connection.route);
    this.#count--;
  }
}
