import { join } from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { Kysely, SqliteDialect, sql, type Transaction } from 'kysely';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type BrokenAuditRow, verifyAuditChain } from '../../../../control/store/audit-chain.ts';
import { type AuditEventRecord, appendAuditEvent, listAuditEvents } from '../../../../control/store/audit-events.ts';
import { openStore, type Store } from '../../../../control/store/database.ts';
import { createTables } from '../../../../control/store/migrations/0001-tables.ts';
import type { Schema } from '../../../../control/store/schema.ts';
import type { WorkspaceId } from '../../../../src/core/model.ts';
import { freshStore, newId, tempDir } from '../../../helpers/store-rig.ts';

const WORKSPACE = newId<WorkspaceId>();

function event(over: Partial<AuditEventRecord> = {}): AuditEventRecord {
  return {
    ...{ atMs: 1_700_000_000_000, workspaceId: WORKSPACE, actorKeyId: newId<never>(), method: 'p.v1.P/Update' },
    ...{ objectId: newId(), outcome: 'ok', count: 1, before: { name: 'a' }, after: { name: 'b' } },
    ...over,
  };
}

/** A store with so many rows in its record. */
async function recorded(count: number): Promise<Store> {
  const store = await freshStore();
  await store.write(async (tx) => {
    for (let i = 0; i < count; i++) await appendAuditEvent(tx, event({ atMs: 1_000 + i }));
  });
  return store;
}

/** What a look at the record finds after `tamper`, of which nothing stays. */
async function foundAfter(
  store: Store,
  tamper: (tx: Transaction<Schema>) => Promise<unknown>,
): Promise<BrokenAuditRow | null> {
  let found: BrokenAuditRow | null = null;
  const undone = store.write(async (tx) => {
    await tamper(tx);
    found = await verifyAuditChain(tx);
    throw new Error('undo');
  });
  await expect(undone).rejects.toThrow('undo');
  return found;
}

describe('the chain over the audit record', () => {
  test('is whole over several pages, and over an empty record', async () => {
    expect(await verifyAuditChain((await freshStore()).db)).toBeNull();
    expect(await verifyAuditChain((await recorded(1_203)).db)).toBeNull();
  });

  test('shows a change of any column of any row', async () => {
    const store = await recorded(4);
    const { rows } = await sql<{ name: string }>`select name from pragma_table_info('audit_events')`.execute(store.db);
    const columns = rows.map(({ name }) => name).filter((name) => name !== 'id');
    expect(columns).toContain('after');
    const others = { at: 7, method: 'x', outcome: 'x', count: 7, before: '{}', after: '{}' };
    for (const column of columns) {
      const other = others[column as keyof typeof others] ?? Buffer.alloc(column === 'hash' ? 32 : 16, 7);
      for (const id of [1, 2, 4]) {
        const tamper = (tx: Transaction<Schema>) =>
          sql`update audit_events set ${sql.ref(column)} = ${other} where id = ${id}`.execute(tx);
        expect([column, await foundAfter(store, tamper)]).toEqual([column, { id, fault: 'altered' }]);
      }
    }
    expect(await verifyAuditChain(store.db)).toBeNull();
  });

  test.each([
    ['the first row taken out', 'delete from audit_events where id = 1', { id: 2, fault: 'altered' }],
    ['a row taken out', 'delete from audit_events where id = 3', { id: 3, fault: 'missing' }],
    ['the end cut off', 'delete from audit_events where id >= 5', { id: 5, fault: 'missing' }],
    ['everything cut off', 'delete from audit_events', { id: 1, fault: 'missing' }],
    [
      'a row taken out and the rest moved up',
      'delete from audit_events where id = 3; update audit_events set id = id - 1 where id > 3',
      { id: 3, fault: 'altered' },
    ],
    [
      'two rows in each other’s place',
      'update audit_events set id = -id where id in (3, 4); update audit_events set id = 7 + id where id < 0',
      { id: 3, fault: 'altered' },
    ],
    [
      'a copy of a row put behind',
      'insert into audit_events select 7, at, workspace_id, actor_key_id, method, object_id, outcome, count, before, after, hash from audit_events where id = 6',
      { id: 7, fault: 'altered' },
    ],
    ['a hash taken away', 'update audit_events set hash = null where id = 3', { id: 3, fault: 'missing' }],
    ['the first hash taken away', 'update audit_events set hash = null where id = 1', { id: 2, fault: 'altered' }],
  ] as const)('shows %s', async (_name, statements, found) => {
    const store = await recorded(6);
    const tamper = async (tx: Transaction<Schema>) => {
      for (const statement of statements.split('; ')) await sql.raw(statement).execute(tx);
    };
    expect(await foundAfter(store, tamper)).toEqual(found);
  });

  test('goes on behind a cut end with a gap that shows', async () => {
    const store = await recorded(6);
    const cutAndGoOn = async (tx: Transaction<Schema>) => {
      await sql`delete from audit_events where id >= 5`.execute(tx);
      await appendAuditEvent(tx, event());
    };
    expect(await foundAfter(store, cutAndGoOn)).toEqual({ id: 5, fault: 'missing' });
  });

  test('starts behind the rows of schema 1, which have no hash', async () => {
    const path = join(tempDir(), 'old.db');
    const old = new Database(path);
    old.pragma('journal_mode = wal');
    await createTables(new Kysely<Schema>({ dialect: new SqliteDialect({ database: old }) }));
    const insert = "insert into audit_events (at, method, outcome, count) values (5, 'bootstrap', 'ok', 1)";
    for (let i = 0; i < 3; i++) old.exec(insert);
    old.exec(`pragma application_id = ${0x53614c79}; pragma user_version = 1`);
    old.close();
    const store = await openStore({ path });
    onTestFinished(() => store.close());
    expect(await verifyAuditChain(store.db)).toBeNull();
    await store.write((tx) => appendAuditEvent(tx, event()));
    await store.write((tx) => appendAuditEvent(tx, event()));
    expect(await verifyAuditChain(store.db)).toBeNull();
    const hidden = await foundAfter(store, (tx) => sql`update audit_events set hash = null where id <= 4`.execute(tx));
    expect(hidden).toEqual({ id: 5, fault: 'altered' });
  });

  test('stays whole when writes share a transaction and some of them are undone', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.boolean(), { maxLength: 3 }), { minLength: 1, maxLength: 12 }),
        async (calls) => {
          const store = await openStore({ path: join(tempDir(), 'group.db') });
          // Each call appends some rows, then goes through or fails: one that fails leaves none.
          const results = calls.map((rows, index) =>
            store.write(async (tx) => {
              for (const _ of rows) await appendAuditEvent(tx, event({ method: `call ${index}` }));
              if (rows.includes(true)) throw new Error('undone');
            }),
          );
          await Promise.allSettled(results);
          const kept = calls.flatMap((rows, index) => (rows.includes(true) ? [] : rows.map(() => `call ${index}`)));
          const stored = await listAuditEvents(store.db, WORKSPACE, { afterId: 0, limit: 100 });
          const broken = await verifyAuditChain(store.db);
          await store.close();
          expect(stored.map(({ method }) => method)).toEqual(kept);
          expect(broken).toBeNull();
        },
      ),
      { numRuns: 15 },
    );
  });
});

describe('rows of the record', () => {
  test('come page by page, whole, and of one workspace', async () => {
    const store = await freshStore();
    const mine = [event({ atMs: 1 }), event({ atMs: 2, objectId: null, actorKeyId: null, before: null, after: null })];
    await store.write(async (tx) => {
      await appendAuditEvent(tx, mine[0]!);
      await appendAuditEvent(tx, event({ workspaceId: newId<WorkspaceId>() }));
      await appendAuditEvent(tx, mine[1]!);
      await appendAuditEvent(tx, event({ workspaceId: null }));
    });
    const first = await listAuditEvents(store.db, WORKSPACE, { afterId: 0, limit: 1 });
    const rest = await listAuditEvents(store.db, WORKSPACE, { afterId: first[0]!.id, limit: 9 });
    expect(first).toEqual([
      { ...mine[0], id: 1, before: '{"name":"a"}', after: '{"name":"b"}', hash: expect.any(Buffer) },
    ]);
    expect(rest).toEqual([{ ...mine[1], id: 3, hash: expect.any(Buffer) }]);
  });

  test('are refused with a secret in them, and the write with them', async () => {
    const store = await freshStore();
    for (const fields of [{ password: 'hunter2' }, { credentials: 'aHVzaA==' }]) {
      await expect(store.write((tx) => appendAuditEvent(tx, event({ after: fields })))).rejects.toThrow(
        /must not hold/,
      );
    }
    await store.write((tx) => appendAuditEvent(tx, event({ before: null, after: { password: 'changed' } })));
    expect(await verifyAuditChain(store.db)).toBeNull();
  });

  test('are bounded: what is too long is named, not told', async () => {
    const store = await freshStore();
    const after = { name: 'short', destinations: { allow: Array.from({ length: 2_000 }, (_, i) => `host-${i}.test`) } };
    await store.write((tx) => appendAuditEvent(tx, event({ after })));
    const [row] = await listAuditEvents(store.db, WORKSPACE, { afterId: 0, limit: 1 });
    expect(JSON.parse(row!.after!)).toEqual({ name: 'short', destinations: 'too long to record' });
  });
});
