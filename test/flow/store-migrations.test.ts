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

const FIXTURE_KEY = `sp_live_${'ab'.repeat(16)}`;
const DATABASE = new URL('../../control/store/database.ts', import.meta.url).href;

/** A database file as that schema left it. */
function oldFile(schema: 1 | 2, directory = tempDir()): string {
  const path = join(directory, 'sallyport.db');
  const fixture = readFileSync(new URL(`../fixtures/schema-${schema}.sql`, import.meta.url), 'utf8');
  const raw = new Database(path);
  raw.pragma('journal_mode = WAL');
  raw.exec(fixture);
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

describe.each([
  [1, 4],
  [2, 5],
] as const)('a database of schema %i', (schema, sessions) => {
  test('comes to the newest schema with every row and column as it was', async () => {
    const path = oldFile(schema);
    const before = contentOf(path);
    expect(before.version).toBe(schema);
    expect(before.tables.sessions?.rows).toHaveLength(sessions);
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
    const old = oldFile(schema);
    const fresh = join(tempDir(), 'fresh.db');
    for (const path of [old, fresh]) await (await openStore({ path })).close();
    expect(shape(old)).toEqual(shape(fresh));
  });
});

describe('serves: its key is taken, its sealed values open', () => {
  /** A control plane on such a file, and the sessions that the gateway is told of, by token. */
  async function serve(schema: 1 | 2) {
    const directory = tempDir();
    oldFile(schema, directory);
    const keyFile = join(directory, 'master.key');
    writeFileSync(keyFile, `${Buffer.alloc(32, 0x11).toString('base64')}\n`, { mode: 0o600 });
    const rig = await startControlRig({ directory });
    onTestFinished(() => rig.close());
    const sessions = rig.changes.flatMap((change) => (change.kind === 'session-put' ? [change.session] : []));
    const providers = rig.changes.flatMap((change) => (change.kind === 'provider-put' ? [change.provider] : []));
    expect(providers.map(({ password }) => password).sort()).toContain('fixture-credential');
    return { rig, byToken: new Map(sessions.map((session): [string, SessionState] => [session.token, session])) };
  }

  test('a database of schema 1', async () => {
    const { rig, byToken } = await serve(1);
    expect([...byToken.keys()].sort()).toEqual(['token-1', 'token-2', 'token-4']);
    expect(byToken.get('token-1')).toMatchObject({ username: 'user', password: 'fixture-password', enabled: true });
    expect(byToken.get('token-2')).toMatchObject({ username: null, password: null, enabled: false });
    const workspaces = await rig.ok('accounts.v1.Accounts/ListWorkspaces', {}, FIXTURE_KEY);
    expect(workspaces.workspaceIds).toHaveLength(1);
    const [workspaceId] = workspaces.workspaceIds;
    const { poolIds } = await rig.ok('proxies.v1.Proxies/ListPools', { workspaceId }, FIXTURE_KEY);
    const { pool } = await rig.ok('proxies.v1.Proxies/GetPool', { workspaceId, poolId: poolIds[0] }, FIXTURE_KEY);
    expect(pool).toMatchObject({ name: 'default', enabled: true, version: '1' });
  });

  test('a database of schema 2, every certificate checked', async () => {
    const { rig, byToken } = await serve(2);
    expect([...byToken.keys()].sort()).toEqual(['local', 'token-1', 'token-2', 'token4']);
    expect(byToken.get('token-1')).toMatchObject({ password: 'fixture-password', tlsInsecure: false });
    expect(byToken.get('token-2')).toMatchObject({ password: null, enabled: false });
    expect([...byToken.values()].every(({ tlsInsecure }) => !tlsInsecure)).toBe(true);
    const workspaces = await rig.ok('accounts.v1.Accounts/ListWorkspaces', {}, FIXTURE_KEY);
    expect(workspaces.workspaceIds).toHaveLength(2);
    const request = { workspaceId: workspaces.workspaceIds[0], sessionId: wireId(byToken.get('token-1')!.id) };
    const { session } = await rig.ok('proxies.v1.Proxies/GetSession', request, FIXTURE_KEY);
    expect(session).toMatchObject({ token: 'token-1', scheme: 'https', version: '2' });
    expect(session).not.toHaveProperty('tlsInsecure');
  });
});

/** An id as JSON has it. */
function wireId(uuid: string): string {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex').toString('base64');
}

describe('killed inside a migration', () => {
  /** Opens the store in a process that kills itself when so many statements were executed; answers its last words. */
  async function openKilledAfter(path: string, executions: number): Promise<string> {
    const script = `
      const { openStore } = await import(${JSON.stringify(DATABASE)});
      const [path, executions] = process.argv.slice(1);
      let executed = 0;
      const dieAt = (n) => { if (n === Number(executions)) process.kill(process.pid, 'SIGKILL'); };
      dieAt(0);
      await (await openStore({ path, onStatement: () => () => dieAt(++executed) })).close();
      console.log('executed ' + executed);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, path, String(executions)]);
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

  test('a database is at one of the schemas, with all of its rows, and the next start ends it', async () => {
    const whole = await openKilledAfter(oldFile(1), Number.NaN);
    const executions = Number(/^executed (\d+)$/.exec(whole)?.[1]);
    expect(executions).toBeGreaterThan(20);
    const before = contentOf(oldFile(1));
    const points = Array.from({ length: executions + 1 }, (_, n) => n);
    // None, one, some in the middle, all but the last, which is a COMMIT, and all.
    const chosen = full ? points : [0, 1, executions >> 1, executions - 1, executions];
    const versions: unknown[] = [];
    for (const at of chosen) {
      const directory = tempDir();
      const path = oldFile(1, directory);
      expect(await openKilledAfter(path, at)).toBe('SIGKILL');
      const left = contentOf(path, before.tables);
      expect(left.tables).toEqual(before.tables);
      versions.push(left.version);
      await (await openStore({ path })).close();
      expect(contentOf(path, before.tables)).toEqual({ version: SCHEMA_VERSION, tables: before.tables });
      await rm(directory, { recursive: true });
    }
    // Each step is taken whole, and none is skipped.
    expect(versions).toEqual(versions.toSorted());
    expect([...new Set(versions)]).toEqual(Array.from({ length: SCHEMA_VERSION }, (_, n) => n + 1));
  }, 400_000);
});
