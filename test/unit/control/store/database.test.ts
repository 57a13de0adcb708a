import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { sql } from 'kysely';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openStore } from '../../../../control/store/database.ts';
import { SCHEMA_VERSION } from '../../../../control/store/migrate.ts';
import { countWorkspaces, insertWorkspace, loadLiveWorkspaces } from '../../../../control/store/workspaces.ts';
import { freshStore, tempDir, workspaceRecord } from '../../../helpers/store-rig.ts';

const DATABASE = new URL('../../../../control/store/database.ts', import.meta.url).href;
const WORKSPACES = new URL('../../../../control/store/workspaces.ts', import.meta.url).href;

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe('opening', () => {
  test('makes the directory and every file for their owner only', async () => {
    const dir = join(tempDir(), 'data');
    const path = join(dir, 'a.db');
    const store = await freshStore(path);
    await store.write((tx) => insertWorkspace(tx, workspaceRecord()));
    expect(modeOf(dir)).toBe('700');
    for (const suffix of ['', '-wal', '-shm', '-lock'])
      expect([suffix, modeOf(path + suffix)]).toEqual([suffix, '600']);
  });

  test("takes other people's rights from a file that exists", async () => {
    const path = join(tempDir(), 'a.db');
    await (await openStore({ path })).close();
    chmodSync(path, 0o644);
    await freshStore(path);
    expect(modeOf(path)).toBe('600');
  });

  test('asks SQLite for WAL, full sync and its checks, in so many words', async () => {
    const path = join(tempDir(), 'a.db');
    const store = await freshStore(path);
    const pragmas = await store.write(async (tx) => {
      const values: Record<string, unknown> = {};
      for (const name of ['journal_mode', 'synchronous', 'foreign_keys', 'trusted_schema', 'cell_size_check']) {
        const { rows } = await sql.raw<Record<string, unknown>>(`pragma ${name}`).execute(tx);
        values[name] = rows[0]?.[name];
      }
      return values;
    });
    expect(pragmas).toEqual({
      ...{ journal_mode: 'wal', synchronous: 2, foreign_keys: 1, trusted_schema: 0, cell_size_check: 1 },
    });
  });

  test('makes strict tables and numbers the schema; opening again changes nothing', async () => {
    const path = join(tempDir(), 'a.db');
    const workspace = workspaceRecord();
    const first = await openStore({ path });
    await first.write((tx) => insertWorkspace(tx, workspace));
    await first.close();
    const second = await freshStore(path);
    expect(await loadLiveWorkspaces(second.db)).toEqual([workspace]);
    const { rows } = await sql<{ name: string; strict: number }>`
      select name, strict from pragma_table_list where schema = 'main' and name not like 'sqlite_%' order by name
    `.execute(second.db);
    expect(rows.map((row) => row.name)).toEqual([
      ...[
        'api_keys',
        'assignments',
        'audit_events',
        'destroyed_keys',
        'discovered_endpoints',
        'key_rotations',
        'pools',
        'providers',
      ],
      ...['seal_serials', 'sessions', 'sticky_keys', 'usage', 'workspace_keys', 'workspaces'],
    ]);
    expect(rows.every((row) => row.strict === 1)).toBe(true);
    const version = await sql<{ user_version: number }>`pragma user_version`.execute(second.db);
    expect(version.rows[0]?.user_version).toBe(SCHEMA_VERSION);
  });

  test('a second opener is refused, in this process and in another, until the first has closed', async () => {
    const path = join(tempDir(), 'a.db');
    const store = await openStore({ path });
    await expect(openStore({ path })).rejects.toMatchObject({ kind: 'in-use' });
    const script = `
      const { openStore } = await import(${JSON.stringify(DATABASE)});
      try { await (await openStore({ path: process.argv[1] })).close(); console.log('opened'); }
      catch (error) { console.log(error.kind + ': ' + error.message); }`;
    const open = () =>
      spawnSync(process.execPath, ['--input-type=module', '-e', script, path]).stdout.toString().trim();
    expect(open()).toBe(`in-use: the database ${path} is in use by another Sallyport process`);
    await store.close();
    expect(open()).toBe('opened');
  });

  test('a killed process leaves no lock, and every acknowledged write', async () => {
    const path = join(tempDir(), 'a.db');
    const script = `
      const { openStore } = await import(${JSON.stringify(DATABASE)});
      const { insertWorkspace } = await import(${JSON.stringify(WORKSPACES)});
      const store = await openStore({ path: process.argv[1] });
      for (let n = 0; ; n++) {
        const id = '00000000-0000-7000-8000-' + String(n).padStart(12, '0');
        const at = { version: 1, createdAtMs: 1, updatedAtMs: 1 };
        await store.write((tx) => insertWorkspace(tx, { id, name: 'w' + n, description: null, ...at }));
        process.stdout.write(n + '\\n');
      }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, path]);
    let acknowledged = '';
    for await (const chunk of child.stdout) {
      acknowledged += chunk;
      if (acknowledged.includes('\n20\n')) break;
    }
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    const last = Number(acknowledged.trimEnd().split('\n').at(-1));
    const store = await freshStore(path);
    expect(await countWorkspaces(store.db)).toBeGreaterThanOrEqual(last);
    const check = await sql<{ integrity_check: string }>`pragma integrity_check`.execute(store.db);
    expect(check.rows[0]?.integrity_check).toBe('ok');
  });
});

describe('refusing a file, and leaving it as it was', () => {
  const refused = async (path: string) => {
    const before = readFileSync(path);
    const error = await openStore({ path }).then(
      (store) => store.close().then(() => null),
      (reason) => reason,
    );
    expect(readFileSync(path).equals(before)).toBe(true);
    return error;
  };

  test('text is not a database', async () => {
    const path = join(tempDir(), 'a.db');
    writeFileSync(
      path,
      'this is not a database at all, but it is longer than a header of one hundred bytes would be, so.\n',
    );
    expect(await refused(path)).toMatchObject({ name: 'StoreError', kind: 'not-a-database' });
  });

  test('a damaged schema page is corrupt', async () => {
    const path = join(tempDir(), 'a.db');
    await (await openStore({ path })).close();
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(0xa5, 100, 4096));
    expect(await refused(path)).toMatchObject({ name: 'StoreError', kind: 'corrupt' });
  });

  test('a newer schema says which', async () => {
    const path = join(tempDir(), 'a.db');
    await (await openStore({ path })).close();
    const raw = new Database(path);
    raw.pragma('journal_mode = delete');
    raw.pragma(`user_version = ${SCHEMA_VERSION + 1}`);
    raw.close();
    const error = await refused(path);
    expect(error).toMatchObject({ kind: 'newer-schema' });
    expect(error.message).toContain(`has schema ${SCHEMA_VERSION + 1}, this program knows up to ${SCHEMA_VERSION}`);
  });

  test("another program's database is left alone", async () => {
    const path = join(tempDir(), 'a.db');
    const raw = new Database(path);
    raw.exec('create table theirs (x)');
    raw.close();
    expect(await refused(path)).toMatchObject({ kind: 'foreign-database' });
  });

  test('a directory, and a place that cannot be, are unwritable', async () => {
    const dir = tempDir();
    mkdirSync(join(dir, 'a.db'));
    await expect(openStore({ path: join(dir, 'a.db') })).rejects.toMatchObject({ kind: 'unwritable' });
    writeFileSync(join(dir, 'file'), '');
    const error = await openStore({ path: join(dir, 'file', 'a.db') }).catch((reason) => reason);
    expect(error).toMatchObject({ kind: 'unwritable' });
    expect(error.message).toMatch(/\((ENOTDIR|EEXIST)\)$/);
  });
});

describe('writing', () => {
  test('a failed write leaves nothing, and its own error comes out', async () => {
    const store = await freshStore();
    const failing = store.write(async (tx) => {
      await insertWorkspace(tx, workspaceRecord());
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect(await countWorkspaces(store.db)).toBe(0);
  });

  test('a rule of a table is a constraint error without values', async () => {
    const store = await freshStore();
    const workspace = workspaceRecord({ name: 's3cret-name' });
    await store.write((tx) => insertWorkspace(tx, workspace));
    const error = await store.write((tx) => insertWorkspace(tx, workspace)).catch((reason) => reason);
    expect(error).toMatchObject({ name: 'StoreError', kind: 'constraint' });
    expect(`${error.message} ${error.cause.message}`).not.toContain('s3cret-name');
  });

  test('readers neither wait for a write under way nor see it; writes take turns', async () => {
    const store = await freshStore();
    const release = Promise.withResolvers<void>();
    const inserted = Promise.withResolvers<void>();
    const order: string[] = [];
    const slow = store.write(async (tx) => {
      await insertWorkspace(tx, workspaceRecord());
      inserted.resolve();
      await release.promise;
      order.push('slow');
    });
    await inserted.promise;
    const quick = store.write(async (tx) => {
      order.push('quick');
      return countWorkspaces(tx);
    });
    expect(await countWorkspaces(store.db)).toBe(0);
    release.resolve();
    await slow;
    expect(await countWorkspaces(store.db)).toBe(1);
    expect(await quick).toBe(1);
    expect(order).toEqual(['slow', 'quick']);
  });

  test('the reading handle refuses to write', async () => {
    const store = await freshStore();
    await expect(insertWorkspace(store.db, workspaceRecord())).rejects.toMatchObject({ kind: 'unwritable' });
  });

  test('each commit is observed with its time', async () => {
    const seconds: number[] = [];
    const store = await openStore({ path: join(tempDir(), 'a.db'), onCommit: (took) => seconds.push(took) });
    onTestFinished(() => store.close());
    expect(seconds.length).toBe(SCHEMA_VERSION);
    await store.write((tx) => insertWorkspace(tx, workspaceRecord()));
    expect(seconds.length).toBe(SCHEMA_VERSION + 1);
    expect(seconds.at(-1)).toBeGreaterThan(0);
  });

  test('close waits for the write under way, leaves one file at rest, refuses later writes, twice is once', async () => {
    const path = join(tempDir(), 'a.db');
    const store = await openStore({ path });
    const release = Promise.withResolvers<void>();
    const write = store.write(async (tx) => {
      await release.promise;
      await insertWorkspace(tx, workspaceRecord());
    });
    const closed = store.close();
    await expect(store.write(() => Promise.resolve())).rejects.toMatchObject({ kind: 'closed' });
    release.resolve();
    await Promise.all([write, closed, store.close()]);
    expect(existsSync(`${path}-wal`)).toBe(false);
    const copy = join(tempDir(), 'copy.db');
    copyFileSync(path, copy);
    expect(await countWorkspaces((await freshStore(copy)).db)).toBe(1);
  });

  test('another program holding the lock makes writes busy, and only for as long', async () => {
    const path = join(tempDir(), 'a.db');
    const store = await freshStore(path);
    const other = new Database(path);
    other.exec('begin immediate');
    await expect(store.write((tx) => insertWorkspace(tx, workspaceRecord()))).rejects.toMatchObject({ kind: 'busy' });
    other.exec('rollback');
    other.close();
    await store.write((tx) => insertWorkspace(tx, workspaceRecord()));
    expect(store.isBroken()).toBe(false);
  });

  test('a commit that the system refuses to write breaks the store: nothing more is acknowledged', () => {
    const path = join(tempDir(), 'a.db');
    // The size limit makes write(2) fail for real, in the middle of the WAL.
    const script = `
      const { openStore } = await import(${JSON.stringify(DATABASE)});
      const { insertWorkspace, countWorkspaces } = await import(${JSON.stringify(WORKSPACES)});
      const store = await openStore({ path: process.argv[1] });
      const kinds = [];
      let stored = 0;
      while (kinds.length < 2) {
        const id = '00000000-0000-7000-8000-' + String(stored).padStart(12, '0');
        const row = { id, name: 'x'.repeat(20000), description: null, version: 1, createdAtMs: 1, updatedAtMs: 1 };
        await store.write((tx) => insertWorkspace(tx, row)).then(() => stored++, (error) => kinds.push(error.kind));
      }
      console.log(JSON.stringify({ kinds, broken: store.isBroken(), lost: stored - await countWorkspaces(store.db) }));
      await store.close();`;
    const run = spawnSync('sh', [
      '-c',
      'ulimit -f 1024; exec "$0" --input-type=module -e "$1" "$2"',
      process.execPath,
      script,
      path,
    ]);
    expect(run.stderr.toString()).toBe('');
    expect(JSON.parse(run.stdout.toString())).toEqual({ kinds: ['io', 'broken'], broken: true, lost: 0 });
  });
});
