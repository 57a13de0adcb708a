/**
 * New encryption keys: of a workspace, and the master key. Both begin at once, for what
 * is written from then on; what was written before is brought over while reads and
 * writes go on: values by `resealer.ts` after the answer, wrapped keys by `rewrap.ts` before it.
 */
import type { ServiceImpl } from '@connectrpc/connect';
import { callOf, type Plane, workspaceOf } from '../call.ts';
import { idBytes } from '../convert/ids.ts';
import { DomainError } from '../domain-error.ts';
import type { Accounts } from '../gen/accounts/v1/accounts_pb.ts';
import { mutate } from '../mutation.ts';
import { rewrapAll, rewrapPage } from '../secrets/rewrap.ts';
import { SecretError } from '../secrets/secret-error.ts';
import { insertKeyRotation, loadKeyStatus } from '../store/key-rotations.ts';
import { countKeysOf } from '../store/workspace-keys.ts';

type KeyRotationService = Pick<ServiceImpl<typeof Accounts>, 'rotateWorkspaceKey' | 'rotateMasterKey'>;

export function keyRotationService(plane: Plane): KeyRotationService {
  return { rotateWorkspaceKey: rotateWorkspaceKey(plane), rotateMasterKey: rotateMasterKey(plane) };
}

function rotateWorkspaceKey(plane: Plane): KeyRotationService['rotateWorkspaceKey'] {
  return (_request, { values }) => {
    const call = callOf(values);
    const workspaceId = workspaceOf(call);
    return mutate(plane, call, async (tx) => {
      const { version, rotation } = await loadKeyStatus(tx, workspaceId);
      if (rotation !== null) {
        const progress = `${rotation.checked} of ${rotation.total} rows are re-encrypted`;
        throw new DomainError('failed_precondition', `The rotation before is still under way: ${progress}.`);
      }
      const toVersion = await plane.vault.addWorkspaceKey(tx, workspaceId, version);
      const startedAtMs = plane.clock.nowMs();
      await insertKeyRotation(tx, { workspaceId, fromVersion: version, toVersion, startedAtMs });
      return {
        answer: { workspaceId: idBytes(workspaceId), fromVersion: version, toVersion },
        changes: [],
        workspaceId,
        objectId: workspaceId,
        count: 1,
        before: { keyVersion: version },
        after: { keyVersion: toVersion },
        committed() {
          plane.vault.forget(workspaceId);
          plane.resealer.kick();
        },
      };
    });
  };
}

function rotateMasterKey(plane: Plane): KeyRotationService['rotateMasterKey'] {
  const { masterKey } = plane.vault;
  let underWay = false;
  return async (_request, { values }) => {
    const call = callOf(values);
    if (!masterKey.isFile) {
      const how = 'restart with the new one in SALLYPORT_MASTER_KEY and the old one in SALLYPORT_MASTER_KEY_PREVIOUS';
      throw new DomainError('failed_precondition', `The master key was given by value: ${how}.`);
    }
    if (underWay) throw new DomainError('failed_precondition', 'The master key is being changed already.');
    underWay = true;
    try {
      masterKey.startNext();
      await rewrapAll(plane.store, masterKey);
      return await mutate(plane, call, async (tx) => {
        // Whatever was wrapped by the old one came before this transaction: after this look nothing is.
        while ((await rewrapPage(tx, masterKey)) > 0);
        const rewrappedCount = await countKeysOf(tx, masterKey.wrapping.id);
        return {
          answer: { rewrappedCount },
          changes: [],
          workspaceId: null,
          objectId: null,
          count: rewrappedCount,
          committed: () => masterKey.finishNext(),
        };
      });
    } catch (error) {
      throw error instanceof SecretError ? refusal(error) : error;
    } finally {
      underWay = false;
    }
  };
}

/** What an operator can mend; the texts of these kinds name files and workspaces. */
function refusal(error: SecretError): unknown {
  return error.kind === 'key-unreadable' || error.kind === 'key-changed'
    ? new DomainError('failed_precondition', `${error.message}.`)
    : error;
}
