/**
 * At start: everything live in the store, as changes, into the gateway's index, in
 * pages so that neither thread holds it all. Called by `plane.ts` before it listens.
 *
 *   control:  read, open page 1 │ page 2        │ page 3 …
 *   gateway:                    │ apply page 1  │ apply page 2 …      a few messages ahead, never more
 *
 * A row that cannot be served stops nothing but itself: a session is left out, a provider
 * is handed over as disabled, and `unusable.ts` tells of it once.
 */
import type { AssignmentId, Change, PoolId, ProviderId, SessionId, WorkspaceId } from '../src/core/model.ts';
import { apiKeyState } from './access-table.ts';
import type { Plane } from './call.ts';
import { assignmentPut } from './convert/assignments.ts';
import { poolPut } from './convert/pools.ts';
import { providerPut } from './convert/providers.ts';
import { endpointOf, sessionPut } from './convert/sessions.ts';
import type { Secret } from './secrets/secret.ts';
import { SecretError } from './secrets/secret-error.ts';
import type { WorkspaceSealer } from './secrets/workspace-sealer.ts';
import { loadLiveApiKeys } from './store/api-keys.ts';
import { loadLiveAssignments } from './store/assignments.ts';
import { everyPage, type IdPage } from './store/id-page.ts';
import { loadLivePools } from './store/pools.ts';
import { loadLiveProviders, type ProviderRecord } from './store/providers.ts';
import { loadSealSerial } from './store/seal-serials.ts';
import { loadServedSessions, type ServedSession } from './store/sealed-rows.ts';
import { loadLiveWorkspaces } from './store/workspaces.ts';
import { MISPLACED, reportUnusable, reportUnusableWorkspace, type UnusableRow } from './unusable.ts';

type LoadPlane = Pick<Plane, 'store' | 'vault' | 'publisher' | 'clock' | 'log' | 'access'>;
type Apply = (changes: readonly Change[]) => Promise<void>;

const SESSIONS_PER_PAGE = 250;
/** Changes in one message to the gateway's thread, which has nothing else to do yet. */
const CHANGES_PER_MESSAGE = 250;
/** Messages that the gateway has not applied yet. */
const MAX_MESSAGES_AHEAD = 4;

/** Loads everything; resolves when the gateway serves all of it. Rejects when a store or the gateway fails. */
export async function loadIndex(plane: LoadPlane, apply: Apply): Promise<void> {
  const { db } = plane.store;
  const pipeline = openPipeline(apply);
  const load: Loading = { plane, pipeline, sealers: new Map(), pools: new Map(), providers: new Map() };
  for (const workspace of await loadLiveWorkspaces(db)) plane.access.putWorkspace(workspace.id);
  // What stands under a workspace that is gone was put back by somebody: nobody is let in by it.
  const isLive = (row: { readonly workspaceId: WorkspaceId }) => plane.access.hasWorkspace(row.workspaceId);
  const keys = (await loadLiveApiKeys(db)).filter(isLive);
  for (const key of keys) plane.access.putKey(key);
  await pipeline.send(keys.map((key) => ({ kind: 'key-put', key: apiKeyState(key) })));
  for await (const page of everyPage((at: IdPage<PoolId>) => loadLivePools(db, at))) {
    const pools = page.filter(isLive);
    for (const pool of pools) load.pools.set(pool.id, pool.workspaceId);
    await pipeline.send(pools.map(poolPut));
  }
  for await (const page of everyPage((at: IdPage<ProviderId>) => loadLiveProviders(db, at))) {
    await loadProviders(load, page.filter(isLive));
  }
  await loadSessions(load);
  for await (const page of everyPage((at: IdPage<AssignmentId>) => loadLiveAssignments(db, at))) {
    await pipeline.send(page.filter((row) => load.pools.get(row.poolId) === row.workspaceId).map(assignmentPut));
  }
  await pipeline.finish();
}

interface Loading {
  readonly plane: LoadPlane;
  readonly pipeline: Pipeline;
  /** null: the workspace's key is destroyed or was changed. Held for the load alone: the vault keeps fewer. */
  readonly sealers: Map<WorkspaceId, WorkspaceSealer | null>;
  /** The workspaces of what sessions may be in. */
  readonly pools: Map<PoolId, WorkspaceId>;
  readonly providers: Map<ProviderId, WorkspaceId>;
}

async function loadProviders(load: Loading, providers: readonly ProviderRecord[]): Promise<void> {
  const broken: UnusableRow[] = [];
  for (const provider of providers) {
    const { id, workspaceId, credentialsSealed: sealed } = provider;
    load.providers.set(id, workspaceId);
    const credentials = sealed === null || provider.unusable ? null : await openCredentials(load, provider, sealed);
    const unusable = sealed !== null && credentials === null;
    if (unusable && load.sealers.get(workspaceId)) broken.push({ id, workspaceId, sealed, reason: 'unsealable' });
    await load.pipeline.send([providerPut({ ...provider, unusable }, credentials)]);
  }
  if (broken.length > 0) await reportUnusable(load.plane, 'providers', broken);
}

async function openCredentials(load: Loading, provider: ProviderRecord, sealed: Buffer): Promise<Secret | null> {
  const sealer = await sealerOf(load, provider.workspaceId);
  if (sealer === null) return null;
  const serial = await loadSealSerial(load.plane.store.db, provider.id);
  const place = { providerId: provider.id, endpoint: endpointOf(provider), serial };
  return unlessUnsealable(() => sealer.openProviderCredentials(place, sealed));
}

async function loadSessions(load: Loading): Promise<void> {
  const { db } = load.plane.store;
  let afterId: SessionId | null = null;
  for (;;) {
    const page: ServedSession[] = await loadServedSessions(db, { afterId, limit: SESSIONS_PER_PAGE });
    const changes: Change[] = [];
    const broken: UnusableRow[] = [];
    for (const session of page) {
      const { workspaceId, passwordSealed, unusable } = session;
      // It was told of when it was marked.
      if (unusable) continue;
      // One await a workspace, not one a session.
      if (passwordSealed !== null && !load.sealers.has(workspaceId)) await sealerOf(load, workspaceId);
      const change = sessionChange(load, session);
      if (change !== null && 'reason' in change) broken.push(change);
      else if (change !== null) changes.push(change);
    }
    await load.pipeline.send(changes);
    if (broken.length > 0) await reportUnusable(load.plane, 'sessions', broken);
    if (page.length < SESSIONS_PER_PAGE) return;
    afterId = page.at(-1)!.id;
  }
}

/** What the gateway must see of a session, or why it must not; null when its workspace was told of as a whole. */
function sessionChange({ pools, providers, sealers }: Loading, session: ServedSession): Change | UnusableRow | null {
  const { id, workspaceId, poolId, providerId, passwordSealed: sealed, serial } = session;
  if (pools.get(poolId) !== workspaceId || providers.get(providerId) !== workspaceId) {
    return { id, workspaceId, sealed, reason: MISPLACED };
  }
  if (sealed === null) return sessionPut(session, null);
  const sealer = sealers.get(workspaceId) ?? null;
  if (sealer === null) return null;
  const endpoint = endpointOf(session);
  const place = endpoint && { sessionId: id, endpoint, tlsInsecure: session.tlsInsecure, serial };
  const password = place && unlessUnsealable(() => sealer.openSessionPassword(place, sealed));
  return password === null ? { id, workspaceId, sealed, reason: 'unsealable' } : sessionPut(session, password);
}

/** The workspace's sealer; null, once told of, when there is no key to make one. */
async function sealerOf({ plane, sealers }: Loading, workspaceId: WorkspaceId): Promise<WorkspaceSealer | null> {
  const known = sealers.get(workspaceId);
  if (known !== undefined) return known;
  try {
    const sealer = await plane.vault.forWorkspace(plane.store.db, workspaceId);
    sealers.set(workspaceId, sealer);
    return sealer;
  } catch (error) {
    if (!(error instanceof SecretError) || error.kind === 'key-wrong') throw error;
    sealers.set(workspaceId, null);
    await reportUnusableWorkspace(plane, workspaceId, error.kind);
    return null;
  }
}

function unlessUnsealable(open: () => Secret): Secret | null {
  try {
    return open();
  } catch (error) {
    if (error instanceof SecretError && error.kind === 'unsealable') return null;
    throw error;
  }
}

/** Sends changes on without waiting for each message, in order and a bounded number ahead. */
interface Pipeline {
  send(changes: readonly Change[]): Promise<void>;
  /** Resolves when everything is applied. */
  finish(): Promise<void>;
}

function openPipeline(apply: Apply): Pipeline {
  const ahead: Promise<void>[] = [];
  return {
    async send(changes) {
      for (let i = 0; i < changes.length; i += CHANGES_PER_MESSAGE) {
        const applied = apply(changes.slice(i, i + CHANGES_PER_MESSAGE));
        // Its failure is met when its turn comes; until then it is nobody's.
        applied.catch(() => undefined);
        ahead.push(applied);
        if (ahead.length > MAX_MESSAGES_AHEAD) await ahead.shift();
      }
    },
    async finish() {
      while (ahead.length > 0) await ahead.shift();
    },
  };
}
