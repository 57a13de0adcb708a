/**
 * Re-encryption after RotateWorkspaceKey, in the background: everything that the
 * workspace's older keys sealed is opened and sealed with the newest, then the older
 * keys are deleted. One workspace at a time; started by a rotation and at start.
 *
 *   page of 200 ─ open, seal ─ transaction: values + how far ─ next turn ─ page …
 *   walk again, until a whole walk finds nothing sealed by an older key ─ transaction: older keys and the rotation go
 *
 * A value that was replaced meanwhile is left as it is: the update compares the old one.
 * What a crash leaves is resumed where the last transaction stands. The gateway is told
 * nothing, as the plaintexts stay. Invariant: a key goes only when nothing needs it.
 */
import { setImmediate as pause } from 'node:timers/promises';
import { FIELD } from '../src/core/log.ts';
import type { WorkspaceId } from '../src/core/model.ts';
import type { Plane } from './call.ts';
import { sealedVersion } from './secrets/sealing.ts';
import { SecretError } from './secrets/secret-error.ts';
import type { WorkspaceSealer } from './secrets/workspace-sealer.ts';
import { appendAuditEvent } from './store/audit-events.ts';
import {
  advanceKeyRotation,
  deleteKeyRotation,
  type KeyRotationRecord,
  loadKeyRotation,
  loadNextKeyRotation,
} from './store/key-rotations.ts';
import { listSealedRows, type Resealed, replaceSealed, type SealedRow, type SealedTable } from './store/sealed-rows.ts';
import { deleteKeysBefore } from './store/workspace-keys.ts';
import { reportUnusable, type UnusableRow } from './unusable.ts';

/** Rows in one transaction: some 10 ms of work. */
const ROWS_PER_PAGE = 200;
/** How long after a failure it is tried again. */
const RETRY_MS = 60_000;

export type ResealPlane = Pick<Plane, 'store' | 'vault' | 'publisher' | 'clock' | 'log'>;

export interface Resealer {
  /** There is, or may be, a rotation to complete. */
  kick(): void;
  /** Stops after the page under way; what is left is resumed at the next start. */
  close(): Promise<void>;
}

/** Makes one that rests until it is kicked. */
export function createResealer(plane: ResealPlane): Resealer {
  let closed = false;
  let wanted = false;
  let running: Promise<void> | null = null;
  let retry: NodeJS.Timeout | null = null;

  async function run(): Promise<void> {
    while (wanted && !closed) {
      wanted = false;
      if (!(await completeAll(plane, () => closed)) && !closed) retryLater();
    }
  }

  function retryLater(): void {
    if (retry !== null) clearTimeout(retry);
    retry = setTimeout(kick, RETRY_MS).unref();
  }

  function kick(): void {
    wanted = true;
    running ??= run().finally(() => {
      running = null;
      // A kick between the last look and here would otherwise be lost.
      if (wanted && !closed) kick();
    });
  }

  return {
    kick,
    async close() {
      closed = true;
      if (retry !== null) clearTimeout(retry);
      await running;
    },
  };
}

/** Completes every rotation there is; false when one failed, which keeps none of the others. Never throws. */
async function completeAll(plane: ResealPlane, isClosed: () => boolean): Promise<boolean> {
  let afterId: WorkspaceId | null = null;
  let sound = true;
  for (;;) {
    let rotation: KeyRotationRecord | null = null;
    try {
      rotation = await loadNextKeyRotation(plane.store.db, afterId);
      if (rotation === null || isClosed()) return sound;
      await completeRotation(plane, rotation, isClosed);
    } catch (error) {
      const kind = error instanceof SecretError ? error.kind : (error as Error).name;
      const fields = { [FIELD.workspaceId]: rotation?.workspaceId, [FIELD.error]: kind };
      plane.log.error(fields, 're-encryption after a key rotation failed; it is tried again');
      sound = false;
      if (rotation === null) return sound;
    }
    afterId = rotation.workspaceId;
  }
}

async function completeRotation(
  plane: ResealPlane,
  rotation: KeyRotationRecord,
  isClosed: () => boolean,
): Promise<void> {
  const walk: Walk = { plane, rotation, isClosed };
  await walkTable({ ...walk, notesProgress: true }, 'sessions', rotation.afterId);
  await walkTable({ ...walk, notesProgress: true }, 'providers', null);
  let left: number;
  do {
    left = (await walkTable(walk, 'sessions', null)) + (await walkTable(walk, 'providers', null));
  } while (left > 0 && !isClosed());
  if (!isClosed()) await dropOldKeys(plane, rotation);
}

interface Walk {
  readonly plane: ResealPlane;
  readonly rotation: KeyRotationRecord;
  readonly isClosed: () => boolean;
  /** The first walk over everything is the one that the progress tells of. */
  readonly notesProgress?: boolean;
}

/** Reseals what an older key sealed in one table, page by page; answers how many values that were. */
async function walkTable(walk: Walk, table: SealedTable, from: string | null): Promise<number> {
  const { plane, rotation, isClosed } = walk;
  let afterId = from;
  let resealed = 0;
  while (!isClosed()) {
    const page = await listSealedRows(plane.store.db, table, rotation.workspaceId, { afterId, limit: ROWS_PER_PAGE });
    resealed += await resealPage(walk, table, page);
    if (page.length < ROWS_PER_PAGE) return resealed;
    afterId = page.at(-1)!.id;
    await pause();
  }
  return resealed;
}

async function resealPage(
  { plane, rotation, notesProgress }: Walk,
  table: SealedTable,
  page: readonly SealedRow[],
): Promise<number> {
  const { workspaceId, toVersion } = rotation;
  const sealer = await plane.vault.forWorkspace(plane.store.db, workspaceId);
  const values: Resealed[] = [];
  const broken: UnusableRow[] = [];
  for (const row of page) {
    const { id, sealed, unusable } = row;
    if (sealed === null || unusable || sealedVersion(sealed) === toVersion) continue;
    const after = reseal(sealer, table, row, sealed);
    if (after === null) broken.push({ id, workspaceId, sealed, reason: 'unsealable' });
    else values.push({ id, before: sealed, after });
  }
  const last = page.at(-1);
  if (values.length > 0 || (notesProgress && last !== undefined)) {
    await plane.store.write(async (tx) => {
      await replaceSealed(tx, table, values);
      if (!notesProgress || last === undefined) return;
      await advanceKeyRotation(tx, workspaceId, table === 'sessions' ? last.id : null, page.length);
    });
  }
  if (broken.length > 0) await reportUnusable(plane, table, broken);
  return values.length;
}

/** The value under the newest key; null when it does not open. */
function reseal(sealer: WorkspaceSealer, table: SealedTable, row: SealedRow, sealed: Buffer): Buffer | null {
  const { id, endpoint, tlsInsecure, serial } = row;
  try {
    if (table === 'providers') {
      const place = { providerId: id, endpoint, serial };
      return sealer.sealProviderCredentials(place, sealer.openProviderCredentials(place, sealed));
    }
    if (endpoint === null) return null;
    const place = { sessionId: id, endpoint, tlsInsecure, serial };
    return sealer.sealSessionPassword(place, sealer.openSessionPassword(place, sealed));
  } catch (error) {
    if (error instanceof SecretError && error.kind === 'unsealable') return null;
    throw error;
  }
}

/** The end of a rotation: nothing is sealed by the older keys, and nothing will be. */
async function dropOldKeys(plane: ResealPlane, { workspaceId, toVersion }: KeyRotationRecord): Promise<void> {
  await plane.store.write(async (tx) => {
    const rotation = await loadKeyRotation(tx, workspaceId);
    // Its workspace was deleted meanwhile.
    if (rotation === null) return;
    await deleteKeysBefore(tx, workspaceId, toVersion);
    await deleteKeyRotation(tx, workspaceId);
    await appendAuditEvent(tx, {
      atMs: plane.clock.nowMs(),
      workspaceId,
      actorKeyId: null,
      method: 'reseal/workspace',
      objectId: workspaceId,
      outcome: 'ok',
      count: rotation.checked,
    });
  });
  plane.vault.forget(workspaceId);
  plane.log.info({ [FIELD.workspaceId]: workspaceId }, 'everything is sealed by the new workspace key');
}
