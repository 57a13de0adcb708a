/** Master keys for the tests of secrets: by value, or in a file of a directory that goes with the test. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { loadMasterKey, type MasterKey } from '../../../../control/secrets/master-key.ts';
import type { WorkspaceId } from '../../../../src/core/model.ts';
import { newId, tempDir } from '../../../helpers/store-rig.ts';

/** A master key given by value. */
export function keyByValue(value = randomBytes(32)): MasterKey {
  return loadMasterKey({ value: value.toString('base64'), file: join(tempDir(), 'master.key'), mayCreate: false });
}

/** A master key in a file, made when it is not there. */
export function keyInFile(file = join(tempDir(), 'master.key')): MasterKey {
  return loadMasterKey({ value: null, file, mayCreate: true });
}

export const newWorkspaceId = (): WorkspaceId => newId<WorkspaceId>();
