/**
 * Traffic that was counted and not yet reported: one entry for each session,
 * account and UTC day touched since the last report. The gateway's ledger adds to
 * it, the control plane takes reports and books them for good.
 *
 *   entryOf ─▶ open (by session and account, all of one day) ── rollOver ──▶ closed ── take ──▶ reported
 *
 * Invariant: what was added comes out of `take` exactly once.
 */
import type { Route, WorkspaceId } from './model.ts';
import type { UsageDelta } from './observed.ts';

const DAY_MS = 86_400_000;
/** Entries of one report: copying them to the other thread takes some 3 ms. */
export const MAX_REPORT = 2_000;

/** Traffic of one session for one account in one day; whoever asked for it adds to it in the same turn. */
export type UsageEntry = { -readonly [Field in keyof UsageDelta]: UsageDelta[Field] };

/** The parts of a route that say whose traffic it is. */
export type UsageSource = Pick<Route, 'poolId' | 'providerId' | 'sessionId'>;

export class UsageTally {
  readonly #open = new Map<string, UsageEntry>();
  readonly #closed: UsageEntry[] = [];
  #day = 0;

  /** Entries not reported yet. */
  get size(): number {
    return this.#open.size + this.#closed.length;
  }

  /** The entry for traffic counted at `nowMs`, wall time. Ask only with something to add: entries are never all zero. */
  entryOf(nowMs: number, workspaceId: WorkspaceId, source: UsageSource, accountName: string): UsageEntry {
    const day = Math.floor(nowMs / DAY_MS);
    if (day !== this.#day) {
      this.rollOver();
      this.#day = day;
    }
    const { sessionId } = source;
    // Ids have one length, so that no two pairs make the same text.
    const key = accountName === '' ? sessionId : sessionId + accountName;
    let entry = this.#open.get(key);
    if (entry === undefined) {
      entry = {
        workspaceId,
        poolId: source.poolId,
        providerId: source.providerId,
        sessionId,
        accountName,
        day,
        requestCount: 0,
        errorCount: 0,
        bytesOut: 0,
        bytesIn: 0,
      };
      this.#open.set(key, entry);
    }
    return entry;
  }

  /** What was added so far may be taken from now on; what comes goes into new entries. */
  rollOver(): void {
    for (const entry of this.#open.values()) this.#closed.push(entry);
    this.#open.clear();
  }

  /** Takes up to MAX_REPORT closed entries out, the oldest first; fewer means that none is left. */
  take(): UsageDelta[] {
    return this.#closed.splice(0, MAX_REPORT);
  }
}
