/**
 * Which discoveries are under way: at most one a provider, at most four at work.
 *
 *   asked for ─▶ waiting ─▶ at work ─▶ its end stands in the provider's row
 *        └ asked for again: joins
 *
 * Every provider that can be asked is asked again every six hours; one that a restart
 * interrupted is marked as failed and begun anew. Made by `plane.ts`.
 */
import { FIELD } from '../../src/core/log.ts';
import type { ProviderId } from '../../src/core/model.ts';
import { DiscoveryStatus } from '../gen/proxies/v1/proxies_pb.ts';
import { everyPage, type IdPage } from '../store/id-page.ts';
import { loadProvidersWithApiKey, observeProvider, type ProviderRecord } from '../store/providers.ts';
import { type DiscoveryPlane, type DiscoverySource, runDiscovery } from './discovery-run.ts';
import { discoveryMessage, finishedAtMsOf, INTERRUPTED, interrupted } from './discovery-state.ts';
import type { VendorAccounts } from './vendor-accounts.ts';

/** At work together: one costs a request at a time and a transaction now and then. */
const MAX_AT_WORK = 4;
/** Waiting together; what is asked for beyond waits for the next look at what is due. */
const MAX_WAITING = 1_000;
/** A discovery is due this long after the last one ended, and up to `JITTER_MS` later: not all at once. */
const REPEAT_MS = 6 * 3_600_000;
const JITTER_MS = 1_800_000;
/** How often is looked for what is due. */
const LOOK_MS = 300_000;

export interface Discovery {
  /** Whether one of this provider waits or is at work. */
  isUnderWay(providerId: ProviderId): boolean;
  /** Begins one in the background, or joins the one under way. */
  start(source: DiscoverySource): void;
  /** Stops the one of a provider that is gone. */
  cancel(providerId: ProviderId): void;
  /** Goes on after a restart; then looks for what is due from time to time. */
  resume(): Promise<void>;
  /** Stops everything where it is, and waits for it. Idempotent. */
  close(): Promise<void>;
}

export function createDiscovery(plane: DiscoveryPlane, accounts: VendorAccounts): Discovery {
  const waiting = new Map<ProviderId, DiscoverySource>();
  const atWork = new Map<ProviderId, { readonly controller: AbortController; readonly done: Promise<void> }>();
  let timer: NodeJS.Timeout | null = null;
  let closed = false;

  function workNext(): void {
    const [next] = waiting.values();
    if (closed || next === undefined || atWork.size >= MAX_AT_WORK) return;
    const { providerId } = next;
    const controller = new AbortController();
    waiting.delete(providerId);
    const done = runDiscovery(plane, accounts, next, controller.signal).then(() => {
      atWork.delete(providerId);
      workNext();
    });
    atWork.set(providerId, { controller, done });
    workNext();
  }

  const isUnderWay = (providerId: ProviderId) => waiting.has(providerId) || atWork.has(providerId);

  function start(source: DiscoverySource): void {
    if (closed || isUnderWay(source.providerId) || waiting.size >= MAX_WAITING) return;
    waiting.set(source.providerId, source);
    workNext();
  }

  async function startDue(): Promise<void> {
    const nowMs = plane.clock.nowMs();
    for await (const page of everyPage((wanted: IdPage<ProviderId>) =>
      loadProvidersWithApiKey(plane.store.db, wanted),
    )) {
      for (const provider of page) if (isDue(provider, nowMs)) start(sourceOf(provider));
    }
  }

  async function resumeOne(provider: ProviderRecord): Promise<void> {
    const { discovery } = provider;
    if (discovery === null || discoveryMessage(discovery).status !== DiscoveryStatus.RUNNING) return;
    plane.log.warn({ [FIELD.objectId]: provider.id, [FIELD.error]: INTERRUPTED }, 'a discovery failed');
    const failed = interrupted(discovery, plane.clock.nowMs());
    await plane.store.write((tx) => observeProvider(tx, provider.id, { discovery: failed }));
    if (provider.targetPoolId !== null) start(sourceOf(provider));
  }

  return {
    isUnderWay,
    start,
    cancel(providerId) {
      waiting.delete(providerId);
      atWork.get(providerId)?.controller.abort();
    },
    async resume() {
      for await (const page of everyPage((wanted: IdPage<ProviderId>) =>
        loadProvidersWithApiKey(plane.store.db, wanted),
      )) {
        for (const provider of page) await resumeOne(provider);
      }
      timer = setInterval(() => {
        startDue().catch((error: unknown) =>
          plane.log.warn({ [FIELD.error]: error }, 'discoveries were not looked for'),
        );
      }, LOOK_MS).unref();
    },
    async close() {
      closed = true;
      if (timer !== null) clearInterval(timer);
      waiting.clear();
      for (const { controller } of atWork.values()) controller.abort();
      await Promise.all([...atWork.values()].map(({ done }) => done));
    },
  };
}

function sourceOf({ workspaceId, id }: ProviderRecord): DiscoverySource {
  return { workspaceId, providerId: id };
}

/** Whether a provider that nobody asks about is due; one that was never discovered is. */
export function isDue(provider: ProviderRecord, nowMs: number): boolean {
  if (!provider.enabled || provider.targetPoolId === null) return false;
  const endedAtMs = provider.discovery === null ? 0 : finishedAtMsOf(provider.discovery);
  if (endedAtMs === null) return true;
  // The end of an id is random, and the same each time.
  const jitterMs = (Number.parseInt(provider.id.slice(-4), 16) / 0x1_0000) * JITTER_MS;
  return nowMs >= endedAtMs + REPEAT_MS + jitterMs;
}
