/**
 * What the gateway tells of its work, as plain data that crosses the thread
 * boundary: traffic to book, requests that finished, how sessions fare, and why
 * it would choose the one it would choose. Filled by the gateway, read by the
 * control plane.
 */
import type { Cause } from './cause.ts';
import type { ApiKeyId, PoolId, ProviderId, SessionId, WorkspaceId } from './model.ts';
import type { Move } from './pool-index/choice.ts';

/**
 * Traffic since the last report, of one session for one account in one day. Never negative, never all zero. Octets are
 * those of messages and tunnels as the gateway writes them: heads, bodies and tunnelled data, its own answers and its
 * own CONNECT, without the framing of TLS or TCP. A request that found no session is nobody's traffic.
 */
export interface UsageDelta {
  readonly workspaceId: WorkspaceId;
  readonly poolId: PoolId;
  readonly providerId: ProviderId;
  readonly sessionId: SessionId;
  /** Empty for requests without an account. */
  readonly accountName: string;
  /** Days since the epoch, UTC: when the octets were counted. */
  readonly day: number;
  /** Requests and tunnels that finished. */
  readonly requestCount: number;
  /** Those of them that ended in a cause. */
  readonly errorCount: number;
  /** Octets to the upstream, also of requests and tunnels that are still under way. */
  readonly bytesOut: number;
  /** Octets to the client, likewise. */
  readonly bytesIn: number;
}

/** One attempt to serve a request. */
export interface AttemptRecord {
  readonly sessionId: SessionId;
  /** null: it served. */
  readonly cause: Cause | null;
  readonly ms: number;
}

/** The record of one proxied request that finished; holds no path of a tunnel and no credential. */
export interface FinishedRequest {
  /** Rises by one with every record since the gateway started; the first is 1. */
  readonly sequence: number;
  readonly requestId: string;
  readonly workspaceId: WorkspaceId;
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number;
  readonly clientAddress: string;
  readonly keyId: ApiKeyId;
  /** The rule by which the key was found: `credentials`, `listener 127.0.0.1:3129` or `range 10.1.0.0/16`. */
  readonly identifiedBy: string;
  readonly poolId: PoolId | null;
  readonly sessionId: SessionId | null;
  readonly accountName: string | null;
  /** From where the request moved its sticky key or account, and why; null: it did not. */
  readonly moved: Move | null;
  readonly targetHost: string;
  readonly targetPort: number;
  readonly kind: 'forward' | 'connect';
  /** What the client got; 0 for nothing. */
  readonly status: number;
  readonly stage: string;
  /** null: it went well. */
  readonly cause: Cause | null;
  readonly attempts: readonly AttemptRecord[];
  readonly resolveMs: number;
  /** null without a dial. */
  readonly dialMs: number | null;
  /** null when no byte of an answer came. */
  readonly firstByteMs: number | null;
  readonly durationMs: number;
  readonly bytesOut: number;
  readonly bytesIn: number;
}

/** Which finished requests; null matches everything. */
export interface RequestFilter {
  readonly workspaceId: WorkspaceId;
  readonly poolId: PoolId | null;
  readonly sessionId: SessionId | null;
  readonly accountName: string | null;
  /** A cause, or `ok` for requests that went well. */
  readonly cause: string | null;
}

/** A look at the requests that finished after `afterSequence`. */
export interface RequestQuery {
  readonly filter: RequestFilter;
  /** -1: from now on; answers no records but where `now` is. */
  readonly afterSequence: number;
  readonly limit: number;
}

export interface RequestPage {
  readonly records: readonly FinishedRequest[];
  /** Ask on from here. */
  readonly sequence: number;
  /** Requests of any workspace that were overwritten before they could be looked at. */
  readonly missed: number;
}

export type SessionHealth = 'healthy' | 'ejected' | 'half_open' | 'disabled';

/** How a session fares; counted since the gateway started, octets of what is under way as of the last usage report. */
export interface SessionLiveState {
  readonly sessionId: SessionId;
  readonly health: SessionHealth;
  /** Requests and tunnels under way. */
  readonly inflight: number;
  readonly lastCause: Cause | null;
  /** Milliseconds since the epoch; null unless ejected. */
  readonly ejectedUntilMs: number | null;
  /** Smoothed time of a dial; null before the first. */
  readonly latencyMs: number | null;
  readonly bytesOut: number;
  readonly bytesIn: number;
}

/** What a request would meet. */
export interface ExplainQuery {
  readonly workspaceId: WorkspaceId;
  /** As a client would send it in its proxy credentials. */
  readonly username: string;
  readonly targetHost: string;
  readonly targetPort: number;
}

export interface Explanation {
  readonly poolId: PoolId | null;
  /** null: `cause` says why none. */
  readonly sessionId: SessionId | null;
  readonly cause: Cause | null;
  /** Why this session, or why none: a stable code such as `round_robin` or `pool_empty`. */
  readonly reason: string;
  /** What would be chosen without the session above; null without one. */
  readonly runnerUpId: SessionId | null;
  /** Sessions of the pool that could serve this request. */
  readonly eligibleCount: number;
  /** The others of the pool, by reason; with `eligibleCount` they add up to the pool's live sessions. */
  readonly exclusions: readonly { readonly reason: string; readonly count: number }[];
}

/** Which sessions new assignments should bind to. */
export interface AssignQuery {
  readonly poolId: PoolId;
  /** One choice each, as if they were assigned one after the other. */
  readonly accountNames: readonly string[];
  /** Not this one; null for any. */
  readonly exclude: SessionId | null;
}
