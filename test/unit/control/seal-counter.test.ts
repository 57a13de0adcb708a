import { expect, test } from 'vitest';
import { createSealCounter } from '../../../control/seal-counter.ts';
import { addSeals, insertWorkspaceKey } from '../../../control/store/workspace-keys.ts';
import { silentLog } from '../../../src/core/log.ts';
import { freshStore, tenant } from '../../helpers/store-rig.ts';

test('seals are summed by key over restarts, and the log says when it is time to rotate', async () => {
  const store = await freshStore();
  const { workspace } = await tenant(store);
  const key = { workspaceId: workspace.id, wrappedKey: Buffer.of(1), createdAtMs: 1, keyring: null };
  await store.write(async (tx) => {
    for (const version of [1, 2]) await insertWorkspaceKey(tx, { ...key, version });
  });
  const lines: object[] = [];
  const log = { ...silentLog, error: (fields: object) => void lines.push(fields) };
  const sum = (version: number) => store.write((tx) => addSeals(tx, workspace.id, version, 0));
  for (let run = 0; run < 3; run++) {
    const counter = createSealCounter(store, log, { writeEvery: 4, alarmAt: 30 });
    for (let n = 0; n < 10; n++) counter.count(workspace.id, 1);
    counter.count(workspace.id, 2);
    await counter.close();
  }
  expect([await sum(1), await sum(2)]).toEqual([30, 3]);
  expect(lines).toEqual([{ workspace_id: workspace.id, seals: 30 }]);
});

test('a store that cannot be written costs the count, not the seal', async () => {
  const warned: string[] = [];
  const log = { ...silentLog, warn: (_: object, message: string) => void warned.push(message) };
  const write = () => Promise.reject(new Error('full'));
  const counter = createSealCounter({ write }, log, { writeEvery: 1, alarmAt: 10 });
  counter.count('017f22e2-79b0-7000-8000-000000000001' as never, 1);
  await counter.close();
  expect(warned).toEqual(['seals were not counted']);
});
