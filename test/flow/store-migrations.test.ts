/** Upgrades: a database of an older schema comes to the newest one whole, or stays as it was. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openStore } from '../../control/store/database.ts';
import { SCHEMA_VERSION } from '../../control/store/migrate.ts';
import type { SessionState } from '../../src/core/model.ts';
import { startControlRig } from '../helpers/control-rig.ts';
import { full } from '../helpers/full.ts';
import { tempDir } from '../helpers/store-rig.ts';

const FIXTURE = readFileSync(new URL('../fixtures/schema-1.sql', import.meta.url), 'utf8');
const FIXTURE_KEY = `sp_live_${'ab'.repeat(16)}`;
const DATABASE = new URL('../../control/store/database.ts', import.meta.url).href;

/** A database file as schema 1 left it. */
function schemaOne(directory = tempDir()): string {
  const path = join(directory, 'sallyport.db');
  const raw = new Database(path);
  raw.pragma('journal_mode = WAL');
  raw.exec(FIXTURE);
  raw.close();
  return path;
}

type Tables = Record<string, { names: string[]; rows: unknown[] }>;

/** Version and content; of each table only the columns that `of` has, where it is given. */
function contentOf(path: string, of?: Tables): { version: unknown; tables: Tables } {
  const raw = new Database(path);
  try {
    const names = raw.prepare<[], { name: string }>(`select name from sqlite_schema where type = 'table'`).all();
    const tables: Tables = {};
    for (const { name } of names.filter((table) => !table.name.startsWith('sqlite_'))) {
      if (of !== undefined && of[name] === undefined) continue;
      const columns = (raw.pragma(`table_info(${name})`) as { name: string }[]).map((column) => column.name);
      const kept = of?.[name]?.names ?? columns;
      tables[name] = {
        names: kept,
        rows: raw
          .prepare(`select ${kept.join(', ')} from ${name}`)
          .raw()
          .all(),
      };
    }
    expect(raw.pragma('integrity_check')).toEqual([{ integrity_check: 'ok' }]);
    expect(raw.pragma('foreign_key_check')).toEqual([]);
    return { version: raw.pragma('user_version', { simple: true }), tables };
  } finally {
    raw.close();
  }
}

describe('a database of schema 1', () => {
  test('comes to the newest schema with every row and column as it was', async () => {
    const path = schemaOne();
    const before = contentOf(path);
    expect(before.version).toBe(1);
    expect(before.tables.sessions?.rows).toHaveLength(4);
    await (await openStore({ path })).close();
    const after = contentOf(path, before.tables);
    expect(after.version).toBe(SCHEMA_VERSION);
    expect(after.tables).toEqual(before.tables);
  });

  test('has the same tables and indexes then as one that was made anew', async () => {
    const shape = (path: string) => {
      const raw = new Database(path);
      const rows = raw.prepare(`select type, name from sqlite_schema order by name`).all();
      const columns = raw.prepare<[], { name: string }>(`select name from sqlite_schema where type = 'table'`).all();
      const info = columns.map(({ name }) => [name, raw.pragma(`table_info(${name})`)]).sort();
      raw.close();
      return { rows, info };
    };
    const old = schemaOne();
    const fresh = join(tempDir(), 'fresh.db');
    for (const path of [old, fresh]) await (await openStore({ path })).close();
    expect(shape(old)).toEqual(shape(fresh));
  });

  test('serves: its key is taken, its sealed values open', async () => {
    const directory = tempDir();
    schemaOne(directory);
    const keyFile = join(directory, 'master.key');
    writeFileSync(keyFile, `${Buffer.alloc(32, 0x11).toString('base64')}\n`, { mode: 0o600 });
    const rig = await startControlRig({ directory });
    onTestFinished(() => rig.close());
    const sessions = rig.changes.flatMap((change) => (change.kind === 'session-put' ? [change.session] : []));
    const byToken = new Map(sessions.map((session): [string, SessionState] => [session.token, session]));
    expect([...byToken.keys()].sort()).toEqual(['token-1', 'token-2', 'token-4']);
    expect(byToken.get('token-1')).toMatchObject({ username: 'user', password: 'fixture-password', enabled: true });
    expect(byToken.get('token-2')).toMatchObject({ username: null, password: null, enabled: false });
    const providers = rig.changes.flatMap((change) => (change.kind === 'provider-put' ? [change.provider] : []));
    expect(providers.map(({ password }) => password).sort()).toContain('fixture-credential');
    const workspaces = await rig.ok('accounts.v1.Accounts/ListWorkspaces', {}, FIXTURE_KEY);
    expect(workspaces.workspaceIds).toHaveLength(1);
    const [workspaceId] = workspaces.workspaceIds;
    const { poolIds } = await rig.ok('proxies.v1.Proxies/ListPools', { workspaceId }, FIXTURE_KEY);
    const { pool } = await rig.ok('proxies.v1.Proxies/GetPool', { workspaceId, poolId: poolIds[0] }, FIXTURE_KEY);
    expect(pool).toMatchObject({ name: 'default', enabled: true, version: '1' });
  });
});

describe('killed inside a migration', () => {
  /** Opens the store in a process that kills itself before its nth statement, or after it. */
  async function openKilledAt(path: string, at: number, when: 'before' | 'after'): Promise<string> {
    const script = `
      const { openStore } = await import(${JSON.stringify(DATABASE)});
      const [path, at, when] = process.argv.slice(1);
      let seen = 0;
      const die = () => process.kill(process.pid, 'SIGKILL');
      const onStatement = () => {
        const mine = seen++ === Number(at);
        if (mine && when === 'before') die();
        return () => { if (mine) die(); };
      };
      await (await openStore({ path, onStatement })).close();
      console.log('opened after ' + seen);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, path, String(at), when]);
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk;
    });
    const [, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    return signal ?? output.trim();
  }

  test('a database is at the old schema or at the next, with all of its rows, and the next start ends it', async () => {
    const whole = await openKilledAt(schemaOne(), -1, 'before');
    const statements = Number(/^opened after (\d+)$/.exec(whole)?.[1]);
    expect(statements).toBeGreaterThan(20);
    const before = contentOf(schemaOne());
    const points = Array.from({ length: statements }, (_, n) => n);
    // The first, one in the middle, the last two: COMMIT is the last.
    const chosen = full ? points : [0, statements >> 1, statements - 2, statements - 1];
    const versions = new Set<unknown>();
    for (const at of chosen) {
      for (const when of ['before', 'after'] as const) {
        const directory = tempDir();
        const path = schemaOne(directory);
        expect(await openKilledAt(path, at, when)).toBe('SIGKILL');
        const left = contentOf(path, before.tables);
        expect([1, SCHEMA_VERSION]).toContain(left.version);
        expect(left.tables).toEqual(before.tables);
        versions.add(left.version);
        await (await openStore({ path })).close();
        expect(contentOf(path, before.tables)).toEqual({ version: SCHEMA_VERSION, tables: before.tables });
        await rm(directory, { recursive: true });
      }
    }
    expect([...versions].sort()).toEqual([1, SCHEMA_VERSION]);
  }, 400_000);
});
