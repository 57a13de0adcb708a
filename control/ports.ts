/**
 * What the control plane needs from the gateway, as function types. The
 * composition root passes them in: the planes never import each other.
 */
import type { GatewaySnapshot } from '../src/core/metrics.ts';
import type { Change, PoolId, SessionId } from '../src/core/model.ts';
import type {
  AssignQuery,
  ExplainQuery,
  Explanation,
  FinishedRequest,
  RequestPage,
  RequestQuery,
  SessionLiveState,
  UsageDelta,
} from '../src/core/observed.ts';
import type { StickyOverride, StickyOverrides } from '../src/core/pool-index/directory.ts';

export interface GatewayPort {
  /**
   * Applies committed changes to the index, in order. Resolves when the next
   * request sees all of them; a mutating call answers only after that.
   */
  apply(changes: readonly Change[]): Promise<void>;
  /** Sticky keys that a restart would move; `entries` null when nothing changed since that version. */
  stickyOverrides(knownVersion: number): Promise<StickyOverrides>;
  /** Puts back what an earlier run told, once all sessions are applied. */
  restoreSticky(entries: readonly StickyOverride[]): Promise<void>;
  /** The gateway's counters, read at scrape. */
  snapshot(): Promise<GatewaySnapshot>;
  /**
   * Traffic since the last report; told once, so whoever asks must book it. A report is read page by page: after a
   * full page (MAX_REPORT entries) there is more of it, after any other the next call begins a new one.
   */
  drainUsage(): Promise<readonly UsageDelta[]>;
  /** The record of a recent request by its id, of whatever workspace; null when it is not kept (any more). */
  findRequest(requestId: string): Promise<FinishedRequest | null>;
  /** Recent requests in the order they finished. */
  listRequests(query: RequestQuery): Promise<RequestPage>;
  /** How the given sessions of a pool fare; those it does not have are left out. */
  sessionStates(query: {
    readonly poolId: PoolId;
    readonly sessionIds: readonly SessionId[];
  }): Promise<readonly SessionLiveState[]>;
  /** What a request would meet; changes nothing, not even whose turn it is. */
  explain(query: ExplainQuery): Promise<Explanation>;
  /** The least-assigned healthy session for each account, in order; null where there is none. */
  leastAssigned(query: AssignQuery): Promise<readonly (SessionId | null)[]>;
}
