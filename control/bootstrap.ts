/**
 * The first start: everything that a first request needs, in one transaction. Called
 * by `plane.ts` on a store without workspaces; a second start finds one and does nothing.
 *
 *   workspace default ─┬─ provider STATIC, pool default (yours to fill)
 *                      ├─ provider LOCAL,  pool local ── one session: this machine's own exit
 *                      └─ API key with the policy operator
 */
import { randomBytes } from 'node:crypto';
import type { SessionId, WorkspaceId } from '../src/core/model.ts';
import type { Plane } from './call.ts';
import { idText } from './convert/ids.ts';
import { generateApiKey, isApiKeyShaped } from './secrets/api-key.ts';
import { newApiKey } from './services/api-keys.ts';
import { newProvider } from './services/connect-provider.ts';
import { newPool } from './services/pools.ts';
import { insertApiKey } from './store/api-keys.ts';
import { appendAuditEvent } from './store/audit-events.ts';
import { insertPool } from './store/pools.ts';
import { insertProvider } from './store/providers.ts';
import { insertSession, type SessionRecord } from './store/sessions.ts';
import { countWorkspaces, insertWorkspace } from './store/workspaces.ts';

/** What the first start made, ids in wire form; the key is shown this once. */
export interface Bootstrap {
  readonly apiKey: string;
  readonly workspaceId: string;
  readonly poolId: string;
  readonly providerId: string;
  readonly localPoolId: string;
}

/** A first start was asked for with a key that cannot be one. */
export class BootstrapKeyError extends Error {
  override readonly name = 'BootstrapKeyError';
  constructor() {
    super('the bootstrap key must be sp_live_ and 32 to 128 lower-case hexadecimal characters');
  }
}

type BootstrapPlane = Pick<Plane, 'store' | 'vault' | 'clock' | 'newId'>;

/** Fills an empty store; null when it has a workspace already. Throws a BootstrapKeyError for a malformed key. */
export async function bootstrap(plane: BootstrapPlane, givenKey: string | null): Promise<Bootstrap | null> {
  if ((await countWorkspaces(plane.store.db)) > 0) return null;
  if (givenKey !== null && !isApiKeyShaped(givenKey)) throw new BootstrapKeyError();
  const rawKey = givenKey ?? generateApiKey(randomBytes);
  const nowMs = plane.clock.nowMs();
  const stamps = { version: 1, createdAtMs: nowMs, updatedAtMs: nowMs };
  const workspaceId = plane.newId<WorkspaceId>();
  const key = newApiKey(plane, workspaceId, rawKey, 'bootstrap', ['operator'], null);
  const ownPool = newPool(plane, workspaceId, 'default');
  const localPool = newPool(plane, workspaceId, 'local');
  const ownProvider = newProvider(plane, workspaceId, 'static', 'static');
  const localProvider = newProvider(plane, workspaceId, 'local', 'local');
  const exit: SessionRecord = {
    id: plane.newId<SessionId>(),
    workspaceId,
    poolId: localPool.id,
    providerId: localProvider.id,
    token: 'local',
    scheme: null,
    host: null,
    port: null,
    username: null,
    passwordSealed: null,
    labels: null,
    enabled: true,
    unusable: false,
    tlsInsecure: false,
    ...stamps,
  };
  await plane.store.write(async (tx) => {
    await insertWorkspace(tx, { id: workspaceId, name: 'default', description: null, ...stamps });
    await plane.vault.createWorkspaceKey(tx, workspaceId);
    await insertApiKey(tx, key);
    for (const pool of [ownPool, localPool]) await insertPool(tx, pool);
    for (const provider of [ownProvider, localProvider]) await insertProvider(tx, provider);
    await insertSession(tx, exit);
    await appendAuditEvent(tx, {
      atMs: nowMs,
      workspaceId,
      actorKeyId: null,
      method: 'bootstrap',
      objectId: workspaceId,
      outcome: 'ok',
      count: 1,
    });
  });
  return {
    apiKey: rawKey,
    workspaceId: idText(workspaceId),
    poolId: idText(ownPool.id),
    providerId: idText(ownProvider.id),
    localPoolId: idText(localPool.id),
  };
}
