/**
 * At start: everything live in the store, as changes, into the gateway's index, in
 * slices so that neither thread holds it all. Called by `plane.ts` before it listens.
 *
 * A sealed value that does not open stops nothing but its own row: a session is left
 * out of the index, a provider loses its credentials; one audit row and one log line each.
 */
import { FIELD } from '../src/core/log.ts';
import type { Change, SessionId, WorkspaceId } from '../src/core/model.ts';
import { apiKeyState } from './access-table.ts';
import type { Plane } from './call.ts';
import { poolPut } from './convert/pools.ts';
import { providerPut } from './convert/providers.ts';
import { endpointOf, sessionPut } from './convert/sessions.ts';
import { applyInSlices } from './publisher.ts';
import type { Secret } from './secrets/secret.ts';
import { SecretError } from './secrets/secret-error.ts';
import type { WorkspaceSealer } from './secrets/vault.ts';
import { loadLiveApiKeys } from './store/api-keys.ts';
import { appendAuditEvent } from './store/audit-events.ts';
import { loadLivePools } from './store/pools.ts';
import { loadLiveProviders, type ProviderRecord } from './store/providers.ts';
import { loadLiveSessions, type SessionRecord } from './store/sessions.ts';
import { loadLiveWorkspaces } from './store/workspaces.ts';

type LoadPlane = Pick<Plane, 'store' | 'vault' | 'clock' | 'log' | 'access'>;
type Apply = (changes: readonly Change[]) => Promise<void>;

const SESSIONS_PER_PAGE = 1_000;

/** Loads everything; resolves when the gateway serves all of it. Rejects when a store or the gateway fails. */
export async function loadIndex(plane: LoadPlane, apply: Apply): Promise<void> {
  const { db } = plane.store;
  for (const workspace of await loadLiveWorkspaces(db)) plane.access.putWorkspace(workspace.id);
  const keys = await loadLiveApiKeys(db);
  for (const key of keys) plane.access.putKey(key);
  await applyInSlices(
    apply,
    keys.map((key) => ({ kind: 'key-put', key: apiKeyState(key) })),
  );
  await applyInSlices(apply, (await loadLivePools(db)).map(poolPut));
  const providers: Change[] = [];
  for (const provider of await loadLiveProviders(db)) {
    providers.push(providerPut(provider, await openCredentials(plane, provider)));
  }
  await applyInSlices(apply, providers);
  await loadSessions(plane, apply);
}

async function loadSessions(plane: LoadPlane, apply: Apply): Promise<void> {
  let afterId: SessionId | null = null;
  for (;;) {
    const page: SessionRecord[] = await loadLiveSessions(plane.store.db, { afterId, limit: SESSIONS_PER_PAGE });
    const changes: Change[] = [];
    for (const session of page) {
      const password = await openPassword(plane, session);
      if (password !== 'unusable') changes.push(sessionPut(session, password));
    }
    await applyInSlices(apply, changes);
    if (page.length < SESSIONS_PER_PAGE) return;
    afterId = page.at(-1)?.id ?? null;
  }
}

/** The session's password, null without one, or `unusable` when it does not open. */
async function openPassword(plane: LoadPlane, session: SessionRecord): Promise<Secret | null | 'unusable'> {
  const { passwordSealed } = session;
  if (passwordSealed === null) return null;
  const endpoint = endpointOf(session);
  const opened = await openOrReport(plane, session, 'session', (sealer) => {
    if (endpoint === null) throw new SecretError('unsealable', 'a password without an endpoint');
    return sealer.openSessionPassword({ sessionId: session.id, endpoint }, passwordSealed);
  });
  return opened ?? 'unusable';
}

async function openCredentials(plane: LoadPlane, provider: ProviderRecord): Promise<Secret | null> {
  const { credentialsSealed } = provider;
  if (credentialsSealed === null) return null;
  return openOrReport(plane, provider, 'provider', (sealer) =>
    sealer.openProviderCredentials({ providerId: provider.id, endpoint: endpointOf(provider) }, credentialsSealed),
  );
}

/** What `open` opens; null, one audit row and one log line when it does not. Another failure stops the start. */
async function openOrReport(
  plane: LoadPlane,
  row: { readonly id: string; readonly workspaceId: WorkspaceId },
  noun: 'session' | 'provider',
  open: (sealer: WorkspaceSealer) => Secret,
): Promise<Secret | null> {
  try {
    return open(await plane.vault.forWorkspace(plane.store.db, row.workspaceId));
  } catch (error) {
    if (!(error instanceof SecretError) || error.kind === 'key-wrong') throw error;
    plane.log.error(
      { [FIELD.objectId]: row.id, [FIELD.error]: error.kind },
      `a ${noun}'s secret does not open: unusable`,
    );
    await plane.store.write((tx) =>
      appendAuditEvent(tx, {
        atMs: plane.clock.nowMs(),
        workspaceId: row.workspaceId,
        actorKeyId: null,
        method: `load/${noun}`,
        objectId: row.id,
        outcome: error.kind,
        count: 0,
      }),
    );
    return null;
  }
}
