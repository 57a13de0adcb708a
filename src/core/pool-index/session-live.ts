/**
 * How one session fares, since the gateway started: what is under way on it, what
 * it moved, how its dials went. Made when its route is first handed out, so that a
 * session nobody uses costs one empty field; it hangs on the session's member and
 * on each route compiled for it, so a request finds it without a look-up, and a
 * changed credential does not forget it. The gateway writes, in plain numbers.
 */
import type { Cause } from '../cause.ts';
import type { SessionId } from '../model.ts';
import type { SessionLiveState } from '../observed.ts';
import type { Pool } from './pool.ts';

/** Share of the newest dial in the smoothed time: about the last ten count. */
const NEWEST = 0.2;

/** Whom it tells that requests began or ended: its member. */
export interface LoadWatcher {
  loadChanged(): void;
}

export class SessionLive {
  /** Requests and tunnels under way. */
  inflight = 0;
  /** Those of them that are tunnels. */
  tunnels = 0;
  /** Connections to its upstream that are being opened. */
  dials = 0;
  /** How its last failed request ended. */
  lastCause: Cause | null = null;
  /** Octets, of what is under way as last booked. */
  bytesOut = 0;
  bytesIn = 0;
  /** Exponentially weighted average of dial times, ms; −1 before the first. */
  #latencyMs = -1;
  /** Its member. */
  readonly watcher: LoadWatcher;

  constructor(watcher: LoadWatcher) {
    this.watcher = watcher;
  }

  /** A request or tunnel of it began. */
  began(): void {
    this.inflight++;
    this.watcher.loadChanged();
  }

  /** One of those ended. */
  ended(): void {
    this.inflight--;
    this.watcher.loadChanged();
  }

  get latencyMs(): number | null {
    return this.#latencyMs < 0 ? null : this.#latencyMs;
  }

  /** A dial succeeded, after `ms`. */
  dialled(ms: number): void {
    this.#latencyMs = this.#latencyMs < 0 ? ms : this.#latencyMs + (ms - this.#latencyMs) * NEWEST;
  }
}

/** What is told of a session of this pool, used or not; null when the pool does not have it. */
export function liveStateOf(pool: Pool, sessionId: SessionId): SessionLiveState | null {
  const member = pool.findById(sessionId);
  if (member === undefined) return null;
  const { live } = member;
  const { health, untilMs } = pool.judge.stateOf(member);
  return {
    sessionId: member.id,
    health: pool.holds(member) ? health : 'disabled',
    inflight: live?.inflight ?? 0,
    lastCause: live?.lastCause ?? null,
    ejectedUntilMs: untilMs === null ? null : pool.clock.nowMs() + untilMs - pool.clock.monotonicMs(),
    latencyMs: live?.latencyMs ?? null,
    bytesOut: live?.bytesOut ?? 0,
    bytesIn: live?.bytesIn ?? 0,
  };
}
