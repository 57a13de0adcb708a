import { expect, test } from 'vitest';
import { type AccessTable, createAccessTable } from '../../../control/access-table.ts';
import { hashApiKey } from '../../../control/secrets/api-key.ts';
import type { ApiKeyRecord } from '../../../control/store/api-keys.ts';
import type { ApiKeyId, WorkspaceId } from '../../../src/core/model.ts';

const WORKSPACE = '00000000-0000-7000-8000-00000000000a' as WorkspaceId;

function tableOf(...rawKeys: string[]): AccessTable {
  const access = createAccessTable();
  for (const rawKey of rawKeys) access.putKey(keyRecord(rawKey));
  return access;
}

function keyRecord(rawKey: string, over: Partial<ApiKeyRecord> = {}): ApiKeyRecord {
  return {
    ...{
      id: `id of ${rawKey}` as ApiKeyId,
      workspaceId: WORKSPACE,
      name: 'n',
      keyPrefix: 'sp_',
      hash: hashApiKey(rawKey),
    },
    ...{ policies: ['proxies'], createdAtMs: 0, expiresAtMs: null, lastUsedAtMs: null },
    ...over,
  };
}

test('a key’s last use is noted to the second, and never goes back', () => {
  const access = tableOf('k');
  const hash = hashApiKey('k');
  expect(access.lastUse(hash)).toBeNull();
  for (const nowMs of [5_300, 5_999, 7_001, 6_500]) access.authenticate('k', nowMs);
  expect(access.lastUse(hash)).toBe(7_000);
});

test('a use is taken once, one a key; a later one is taken again', () => {
  const access = tableOf('a', 'b', 'idle');
  for (const nowMs of [1_000, 2_000]) access.authenticate('a', nowMs);
  access.authenticate('b', 3_000);
  expect(access.takeUses()).toEqual([
    { keyId: 'id of a', atMs: 2_000 },
    { keyId: 'id of b', atMs: 3_000 },
  ]);
  access.authenticate('a', 2_500);
  expect(access.takeUses()).toEqual([]);
  access.authenticate('a', 4_000);
  expect(access.takeUses()).toEqual([{ keyId: 'id of a', atMs: 4_000 }]);
});

test('refused attempts are no use, and a revoked key’s uses are dropped', () => {
  const access = tableOf('gone');
  access.putKey(keyRecord('old', { expiresAtMs: 1_000 }));
  expect(access.authenticate('old', 1_000)).toBeNull();
  expect(access.authenticate('unknown', 1_000)).toBeNull();
  access.authenticate('gone', 2_000);
  access.removeKey(hashApiKey('gone'));
  expect(access.authenticate('gone', 3_000)).toBeNull();
  expect(access.takeUses()).toEqual([]);
});
