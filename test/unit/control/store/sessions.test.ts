import { join } from 'node:path';
import Database from 'better-sqlite3';
import {
  type CompiledQuery,
  type DatabaseConnection,
  DummyDriver,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  sql,
} from 'kysely';
import { describe, expect, onTestFinished, test } from 'vitest';
import { insertProvider } from '../../../../control/store/providers.ts';
import type { Schema } from '../../../../control/store/schema.ts';
import { insertSessions } from '../../../../control/store/session-bulk.ts';
import {
  countLiveSessions,
  findSessionsByTokens,
  findShownSessionsByTokens,
  insertSession,
  listSessionIds,
  loadLiveSessions,
  loadSession,
  loadSessions,
  replaceSession,
  type SessionRecord,
  softDeleteSession,
} from '../../../../control/store/sessions.ts';
import type { PoolId, ProviderId } from '../../../../src/core/model.ts';
import { freshStore, newId, noPause, providerRecord, tempDir, tenant } from '../../../helpers/store-rig.ts';

/** Collects the pages of a list. */
async function walk<Id>(page: (afterId: Id | null) => Promise<readonly Id[]>): Promise<Id[]> {
  const all: Id[] = [];
  for (let ids = await page(null); ids.length > 0; ids = await page(ids.at(-1)!)) all.push(...ids);
  return all;
}

const byToken = (a: { token: string }, b: { token: string }) => (a.token < b.token ? -1 : 1);

describe('one session', () => {
  test('comes back as it was put in, nulls included, and only in its workspace', async () => {
    const store = await freshStore();
    const { workspace, session } = await tenant(store);
    const other = await tenant(store);
    const full = session('full');
    const bare = session('bare', {
      ...{ scheme: null, host: null, port: null, username: null, passwordSealed: null, labels: null, enabled: false },
    });
    await store.write(async (tx) => {
      await insertSession(tx, full);
      await insertSession(tx, bare);
    });
    expect(await loadSession(store.db, workspace.id, full.id)).toEqual(full);
    expect(await loadSession(store.db, workspace.id, bare.id)).toEqual(bare);
    expect(await loadSession(store.db, other.workspace.id, full.id)).toBeNull();
    expect(await loadSessions(store.db, workspace.id, [bare.id, newId(), full.id])).toEqual([full, bare]);
    expect(await loadSessions(store.db, other.workspace.id, [full.id])).toEqual([]);
    expect(await loadSessions(store.db, workspace.id, [])).toEqual([]);
  });

  test('is replaced whole, but for what it is known by', async () => {
    const store = await freshStore();
    const { workspace, session } = await tenant(store);
    const other = await tenant(store);
    const before = session('t');
    await store.write((tx) => insertSession(tx, before));
    const after: SessionRecord = {
      ...before,
      ...{ scheme: 'socks5', host: 'h.test', port: 1080, username: null, passwordSealed: null, labels: null },
      ...{ enabled: false, version: 2, updatedAtMs: 9_999 },
    };
    const stranger = { ...after, workspaceId: other.workspace.id };
    expect(await store.write((tx) => replaceSession(tx, stranger))).toBe(false);
    expect(await loadSession(store.db, workspace.id, before.id)).toEqual(before);
    expect(await store.write((tx) => replaceSession(tx, { ...after, token: 'other' }))).toBe(true);
    expect(await loadSession(store.db, workspace.id, before.id)).toEqual(after);
  });

  test('once deleted is gone from every query, its password from the row, and its token is free', async () => {
    const store = await freshStore();
    const { workspace, pool, session } = await tenant(store);
    const other = await tenant(store);
    const first = session('t');
    await store.write((tx) => insertSession(tx, first));
    expect(await store.write((tx) => insertSession(tx, session('t')))).toBe(false);
    expect(await countLiveSessions(store.db)).toBe(1);
    expect(await store.write((tx) => softDeleteSession(tx, other.workspace.id, first.id, 5))).toBe(false);
    expect(await store.write((tx) => softDeleteSession(tx, workspace.id, first.id, 5))).toBe(true);
    expect(await store.write((tx) => softDeleteSession(tx, workspace.id, first.id, 6))).toBe(false);
    expect(await store.write((tx) => replaceSession(tx, first))).toBe(false);
    const filter = { workspaceId: workspace.id, poolId: null, providerId: null };
    expect(await loadSession(store.db, workspace.id, first.id)).toBeNull();
    expect(await loadSessions(store.db, workspace.id, [first.id])).toEqual([]);
    expect(await findSessionsByTokens(store.db, pool.id, ['t'])).toEqual([]);
    expect(await findShownSessionsByTokens(store.db, first, ['t'])).toEqual([]);
    expect(await listSessionIds(store.db, filter, { afterId: null, limit: 9 })).toEqual([]);
    expect(await loadLiveSessions(store.db, { afterId: null, limit: 9 })).toEqual([]);
    expect(await countLiveSessions(store.db)).toBe(0);
    const { rows } = await sql`select 1 from sessions where password_sealed is not null`.execute(store.db);
    expect(rows).toEqual([]);
    await store.write((tx) => insertSession(tx, session('t')));
    expect(await countLiveSessions(store.db)).toBe(1);
  });

  test('needs a pool and a provider that exist, and columns of the right type', async () => {
    const store = await freshStore();
    const { session } = await tenant(store);
    const refused = (over: Partial<SessionRecord>) => {
      const write = store.write((tx) => insertSession(tx, session('t', over)));
      return expect(write).rejects.toMatchObject({ kind: 'constraint' });
    };
    await refused({ poolId: newId() });
    await refused({ providerId: newId() });
    await refused({ port: 65_536 });
    await refused({ port: 'eighty' as unknown as number });
  });
});

describe('many sessions', () => {
  test('are inserted in one transaction, all or none, with a pause every 200', async () => {
    const store = await freshStore();
    const { session } = await tenant(store);
    let pauses = 0;
    const pause = async () => {
      pauses++;
    };
    const records = Array.from({ length: 1_234 }, (_, n) => session(`t${n}`));
    const clash = [...records, session('t7')];
    const failed = store.write((tx) => insertSessions(tx, clash, pause));
    await expect(failed).rejects.toMatchObject({ kind: 'constraint' });
    expect(await countLiveSessions(store.db)).toBe(0);
    pauses = 0;
    await store.write((tx) => insertSessions(tx, records, pause));
    expect(pauses).toBe(6);
    expect(await loadLiveSessions(store.db, { afterId: null, limit: 2_000 })).toEqual(records);
  });

  test('are found by token in their pool', async () => {
    const store = await freshStore();
    const { workspace, pool, session } = await tenant(store);
    const other = await tenant(store);
    const records = ['a', 'b', '"quoted"'].map((token) => session(token));
    await store.write((tx) => insertSessions(tx, [...records, other.session('a')], noPause));
    const tokens = ['a', '"quoted"', 'absent'];
    const found = await findSessionsByTokens(store.db, pool.id, tokens);
    expect(found.toSorted(byToken)).toEqual([records[2], records[0]]);
    const shown = await findShownSessionsByTokens(store.db, { workspaceId: workspace.id, poolId: pool.id }, tokens);
    const withoutBlob = ({ passwordSealed, ...rest }: SessionRecord) => rest;
    expect(shown.toSorted(byToken)).toEqual([records[2]!, records[0]!].map(withoutBlob));
    const elsewhere = { workspaceId: other.workspace.id, poolId: pool.id };
    expect(await findShownSessionsByTokens(store.db, elsewhere, tokens)).toEqual([]);
  });

  test('are walked page by page for start-up, each once, in id order', async () => {
    const store = await freshStore();
    const { session } = await tenant(store);
    const records = Array.from({ length: 25 }, (_, n) => session(`t${n}`));
    await store.write((tx) => insertSessions(tx, records.toReversed(), noPause));
    const ids = await walk(async (afterId: SessionRecord['id'] | null) => {
      return (await loadLiveSessions(store.db, { afterId, limit: 7 })).map((record) => record.id);
    });
    expect(ids).toEqual(records.map((record) => record.id));
  });

  test('are listed by workspace, pool, provider and both; what is not the workspace’s own lists nothing', async () => {
    const store = await freshStore();
    const { workspace, pool, provider, session } = await tenant(store);
    const other = await tenant(store);
    const second = providerRecord(workspace.id);
    const mine = [session('a'), session('b', { providerId: second.id }), session('c')];
    await store.write(async (tx) => {
      await insertProvider(tx, second);
      await insertSessions(tx, [...mine, other.session('x')], noPause);
    });
    const [a, b, c] = mine.map((record) => record.id);
    const list = (over: object) => {
      const filter = { workspaceId: workspace.id, poolId: null, providerId: null, ...over };
      return walk((afterId: SessionRecord['id'] | null) => listSessionIds(store.db, filter, { afterId, limit: 2 }));
    };
    expect(await list({})).toEqual([a, b, c]);
    expect(await list({ poolId: pool.id })).toEqual([a, b, c]);
    expect(await list({ providerId: provider.id })).toEqual([a, c]);
    expect(await list({ poolId: pool.id, providerId: second.id })).toEqual([b]);
    expect(await list({ poolId: other.pool.id })).toEqual([]);
    expect(await list({ providerId: other.provider.id })).toEqual([]);
    expect(await list({ poolId: other.pool.id, providerId: provider.id })).toEqual([]);
    expect(await list({ workspaceId: other.workspace.id, poolId: pool.id })).toEqual([]);
  });

  test('every list and look-up is an index walk of its own, without a sort', async () => {
    const path = join(tempDir(), 'a.db');
    const store = await freshStore(path);
    const { workspace, pool, provider } = await tenant(store);
    const raw = new Database(path, { readonly: true });
    onTestFinished(() => void raw.close());
    const { db, recorded } = recordingDatabase();
    const plan = async (query: Promise<unknown>) => {
      await query;
      const { sql: text, parameters } = recorded.at(-1)!;
      const rows = raw.prepare<unknown[], { detail: string }>(`explain query plan ${text}`).all(...parameters);
      return rows.map((row) => row.detail).filter((detail) => / sessions | s | TEMP /.test(`${detail} `));
    };
    const page = { afterId: null, limit: 9 };
    const list = (poolId: PoolId | null, providerId: ProviderId | null) => {
      return plan(listSessionIds(db, { workspaceId: workspace.id, poolId, providerId }, page));
    };
    const covering = (index: string, column: string) => [
      `SEARCH sessions USING COVERING INDEX ${index} (${column}=? AND id>?)`,
    ];
    expect(await list(null, null)).toEqual(covering('sessions_of_workspace', 'workspace_id'));
    expect(await list(pool.id, null)).toEqual(covering('sessions_of_pool', 'pool_id'));
    expect(await list(pool.id, provider.id)).toEqual(covering('sessions_of_pool', 'pool_id'));
    expect(await list(null, provider.id)).toEqual(covering('sessions_of_provider', 'provider_id'));
    expect(await plan(loadLiveSessions(db, page))).toEqual(['SEARCH sessions USING PRIMARY KEY (id>?)']);
    expect(await plan(loadSessions(db, workspace.id, [newId()]))).toEqual([expect.stringMatching(/^SEARCH .*\bid=\?/)]);
    const oneLookUp = ['SEARCH s USING INDEX sessions_by_token (pool_id=? AND token=?)'];
    expect(await plan(findSessionsByTokens(db, pool.id, ['t']))).toEqual(oneLookUp);
    const place = { workspaceId: workspace.id, poolId: pool.id };
    expect(await plan(findShownSessionsByTokens(db, place, ['t']))).toEqual(oneLookUp);
  });
});

/** A database that answers nothing and keeps what it was asked. */
function recordingDatabase() {
  const recorded: CompiledQuery[] = [];
  class RecordingDriver extends DummyDriver {
    override async acquireConnection(): Promise<DatabaseConnection> {
      return {
        executeQuery: async (query) => {
          recorded.push(query);
          return { rows: [] };
        },
        streamQuery: () => {
          throw new Error('not asked for here');
        },
      };
    }
  }
  const db = new Kysely<Schema>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => new RecordingDriver(),
      createIntrospector: (on) => new SqliteIntrospector(on),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  });
  return { db, recorded };
}
