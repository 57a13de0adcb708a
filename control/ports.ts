/**
 * What the control plane needs from the gateway, as function types. The
 * composition root passes them in: the planes never import each other.
 */
import type { GatewaySnapshot } from '../src/core/metrics.ts';
import type { Change } from '../src/core/model.ts';

export interface GatewayPort {
  /**
   * Applies committed changes to the index, in order. Resolves when the next
   * request sees all of them; a mutating call answers only after that.
   */
  apply(changes: readonly Change[]): Promise<void>;
  /** The gateway's counters, read at scrape. */
  snapshot(): Promise<GatewaySnapshot>;
}
