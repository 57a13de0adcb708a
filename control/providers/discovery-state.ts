/** How far a discovery is, as a provider's row keeps it: the JSON of a ProviderDiscovery message. */
import { create, fromJsonString, toJsonString } from '@bufbuild/protobuf';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { DiscoveryStatus, type ProviderDiscovery, ProviderDiscoverySchema } from '../gen/proxies/v1/proxies_pb.ts';

export interface DiscoveryCounts {
  readonly found: number;
  readonly created: number;
  readonly updated: number;
  readonly disabled: number;
  readonly enabled: number;
}

/** Why a discovery that nobody goes on with failed. */
export const INTERRUPTED = 'interrupted by a restart';

export const NOTHING_YET: DiscoveryCounts = { found: 0, created: 0, updated: 0, disabled: 0, enabled: 0 };

/** A discovery that is under way. */
export function running(startedAtMs: number, counts: DiscoveryCounts = NOTHING_YET): string {
  return textOf(DiscoveryStatus.RUNNING, startedAtMs, counts, {});
}

/** One that ended; `error` is the sentence of one that failed. */
export function ended(
  startedAtMs: number,
  finishedAtMs: number,
  counts: DiscoveryCounts,
  error: string | null = null,
): string {
  const finishedAt = timestampFromMs(finishedAtMs);
  return error === null
    ? textOf(DiscoveryStatus.DONE, startedAtMs, counts, { finishedAt })
    : textOf(DiscoveryStatus.FAILED, startedAtMs, counts, { finishedAt, error });
}

/** The message in a row's text. */
export function discoveryMessage(text: string): ProviderDiscovery {
  return fromJsonString(ProviderDiscoverySchema, text);
}

/** When a discovery ended, milliseconds; null for one that is under way. */
export function finishedAtMsOf(text: string): number | null {
  const { finishedAt } = discoveryMessage(text);
  return finishedAt === undefined ? null : timestampMs(finishedAt);
}

/** What a discovery under way comes to when nobody goes on with it. */
export function interrupted(text: string, nowMs: number): string {
  const { startedAt, foundCount, createdCount, updatedCount, disabledCount, enabledCount } = discoveryMessage(text);
  const counts = {
    found: foundCount,
    created: createdCount,
    updated: updatedCount,
    disabled: disabledCount,
    enabled: enabledCount,
  };
  return ended(startedAt === undefined ? nowMs : timestampMs(startedAt), nowMs, counts, INTERRUPTED);
}

function textOf(
  status: DiscoveryStatus,
  startedAtMs: number,
  counts: DiscoveryCounts,
  more: Partial<Pick<ProviderDiscovery, 'finishedAt' | 'error'>>,
): string {
  const message = create(ProviderDiscoverySchema, {
    status,
    startedAt: timestampFromMs(startedAtMs),
    foundCount: counts.found,
    createdCount: counts.created,
    updatedCount: counts.updated,
    disabledCount: counts.disabled,
    enabledCount: counts.enabled,
    ...more,
  });
  return toJsonString(ProviderDiscoverySchema, message);
}
