/**
 * What the control plane needs from the gateway, as function types. The
 * composition root passes them in: the planes never import each other.
 */
import type { GatewaySnapshot } from '../src/core/metrics.ts';
import type { Change } from '../src/core/model.ts';
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
}
