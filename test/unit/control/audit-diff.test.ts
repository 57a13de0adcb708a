import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { auditFields, auditText, CHANGED, changedFields } from '../../../control/audit-diff.ts';
import { PoolSchema } from '../../../control/gen/proxies/v1/proxies_pb.ts';

test('a message is told by its fields: a false one is, an empty one and the row’s own columns are not', () => {
  const pool = create(PoolSchema, { id: Buffer.alloc(16, 1), name: 'eu', enabled: false, version: 3n });
  const fields = auditFields(PoolSchema, pool);
  expect(fields).toMatchObject({ name: 'eu', enabled: false });
  for (const noise of ['id', 'workspaceId', 'version', 'createdAt', 'updatedAt'])
    expect(fields).not.toHaveProperty(noise);
  expect(auditFields(PoolSchema, create(PoolSchema, { name: '' }))).not.toHaveProperty('name');
});

test('only what differs is told, on the sides that have it', () => {
  const before = { name: 'a', labels: { x: '1', y: '2' }, tags: [1, 2], host: 'h', version: '1' };
  const after = { name: 'b', labels: { y: '2', x: '1' }, tags: [2, 1], port: 1, version: '2', password: CHANGED };
  expect(changedFields(before, after)).toEqual({
    before: { name: 'a', tags: [1, 2], host: 'h' },
    after: { name: 'b', tags: [2, 1], port: 1, password: CHANGED },
  });
  expect(changedFields(before, { ...before })).toEqual({ before: {}, after: {} });
  expect(changedFields({ list: [] }, { list: {} })).toEqual({ before: { list: [] }, after: { list: {} } });
});

test('a row keeps nothing rather than an empty object, and never more than 8 KiB', () => {
  expect([auditText(null), auditText(undefined), auditText({})]).toEqual([null, null, null]);
  const long = (length: number) => 'x'.repeat(length);
  expect(auditText({ a: long(9_000), b: long(5_000), c: 1 })).toBe(
    JSON.stringify({ a: 'too long to record', b: long(5_000), c: 1 }),
  );
  const names = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`${i}-${long(100)}`, i]));
  expect(auditText(names)).toBe('{"fields":"too long to record"}');
});
