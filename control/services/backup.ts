/**
 * A copy of the database, streamed to an operator. Making one takes seconds for a
 * million sessions, beside everything else; sending it goes as fast as its reader.
 *
 *   copy, check ── audit row ── pieces … ── remove (also when the reader goes away)
 */
import type { ServiceImpl } from '@connectrpc/connect';
import { type Backup, makeBackup } from '../backup.ts';
import { type Call, callOf, type Plane } from '../call.ts';
import { DomainError } from '../domain-error.ts';
import type { Accounts } from '../gen/accounts/v1/accounts_pb.ts';
import { appendAuditEvent } from '../store/audit-events.ts';

type BackupService = Pick<ServiceImpl<typeof Accounts>, 'createBackup'>;

export function backupService(plane: Plane): BackupService {
  /** The signal of the call that has the place. */
  let current: AbortSignal | null = null;
  return {
    async *createBackup(_request, { values, signal }) {
      if (current !== null) throw new DomainError('failed_precondition', 'Another backup is under way.');
      current = signal;
      let backup: Backup | null = null;
      const release = async () => {
        await backup?.remove();
        if (current === signal) current = null;
      };
      try {
        backup = await makeBackup(plane.store, plane.clock, signal);
        // A reader that vanishes while a piece is on its way never asks for the next: nothing after that yield runs.
        signal.addEventListener('abort', () => void release().catch(() => {}), { once: true });
        signal.throwIfAborted();
        await auditBackup(plane, callOf(values), backup.endedAtMs);
        const totalBytes = BigInt(backup.totalBytes);
        for await (const chunk of backup.pieces()) yield { totalBytes, chunk };
      } finally {
        await release();
      }
    },
  };
}

/** A copy of everything was made: on record before the first byte of it leaves, with the time up to which it goes. */
async function auditBackup(plane: Plane, call: Call, endedAtMs: number): Promise<void> {
  await plane.store.write((tx) =>
    appendAuditEvent(tx, {
      atMs: endedAtMs,
      workspaceId: call.caller.workspaceId,
      actorKeyId: call.caller.keyId,
      method: call.method,
      objectId: null,
      outcome: 'ok',
      count: 0,
    }),
  );
  call.audited = true;
}
