/** The backup drill, as an operator does it: `sallyport backup` while it serves, `sallyport restore` somewhere else. */
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { restoreBackup } from '../../control/restore.ts';
import { runCommand } from '../helpers/command.ts';
import { commandLine } from '../helpers/command-line.ts';
import { full } from '../helpers/full.ts';
import { Product } from '../helpers/product.ts';
import { ProxiedClient, uuidOf } from '../helpers/proxied.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

const SESSIONS = full ? 10_000 : 1_000;
const product = new Product({ SALLYPORT_ACCESS_LOG: 'false' });
const backupDir = mkdtempSync(join(tmpdir(), 'sallyport-backup-'));
const backupFile = join(backupDir, 'a.backup');
/** Sessions acknowledged before the backup was asked for, and while it ran: their ids by token. */
const acknowledged = new Map<string, string>();
let upstream: RecordingUpstream;

const settingsOf = (dataDir: string) => ({ SALLYPORT_DATA_DIR: dataDir });

beforeAll(async () => {
  upstream = await startRecordingUpstream();
  await product.start();
  const { poolId, providerId } = product.bootstrap;
  const row = (token: string) => {
    return { token, scheme: 'http', host: '127.0.0.1', port: upstream.port, username: `u-${token}`, password: 'p' };
  };
  const rows = Array.from({ length: SESSIONS }, (_, n) => row(`token-${n}`));
  const bulk = await product.proxies('BulkCreateSessions', { poolId, providerId, sessions: rows });
  for (const session of bulk.sessions) acknowledged.set(session.token, session.id);
  let writing = true;
  const writer = (async () => {
    for (let n = 0; writing; n++) {
      const { session } = await product.proxies('CreateSession', { poolId, providerId, ...row(`during-${n}`) });
      if (writing) acknowledged.set(session.token, session.id);
    }
  })();
  await vi.waitUntil(() => acknowledged.size > SESSIONS + 3);
  // Those acknowledged before it began are certain; which of the later ones are in it depends on when it ended.
  const certain = new Map(acknowledged);
  expect(await runCommand(['backup', backupFile], settingsOf(product.dataDir))).toMatchObject({ code: 0, stderr: '' });
  writing = false;
  await writer;
  acknowledged.clear();
  for (const [token, id] of certain) acknowledged.set(token, id);
}, 60_000);

afterAll(async () => {
  await product.destroy();
  await upstream.close();
  rmSync(backupDir, { recursive: true, force: true });
});

/** A machine that has nothing but what the operator brought along. */
function newPlace(...names: string[]): Product {
  const place = new Product({ SALLYPORT_ACCESS_LOG: 'false' });
  onTestFinished(() => place.destroy());
  for (const name of names) copyFileSync(join(product.dataDir, name), join(place.dataDir, name));
  return place;
}

/** The drill: restore on a new machine, start, ready. */
async function restoredPlace(): Promise<{ product: Product; tookMs: number }> {
  const place = newPlace('master.key', 'bootstrap.json');
  const startMs = performance.now();
  expect(await runCommand(['restore', backupFile], settingsOf(place.dataDir))).toMatchObject({ code: 0, stderr: '' });
  await place.start();
  return { product: place, tookMs: performance.now() - startMs };
}

test('a backup restored elsewhere serves every session that was acknowledged before it', async ({ annotate }) => {
  expect(statSync(backupFile).mode & 0o777).toBe(0o600);
  expect(readdirSync(backupDir)).toEqual(['a.backup']);
  let place = await restoredPlace();
  // Each drill does the same; what else the machine does can only add to the fastest.
  const tookMs = [place.tookMs];
  for (let more = full ? 2 : 0; more > 0; more--) {
    await place.product.stop();
    place = await restoredPlace();
    tookMs.push(place.tookMs);
  }
  const shown = tookMs.map(Math.round).join(', ');
  await annotate(`restored and ready with ${acknowledged.size} sessions after ${shown} ms`);
  if (full) expect(Math.min(...tookMs)).toBeLessThanOrEqual(5_000);
  const restored = place.product;
  const client = new ProxiedClient(restored.gatewayPort);
  const tokens = [...acknowledged.keys()];
  for (const token of [tokens[0]!, tokens[tokens.length >> 1]!, ...tokens.slice(-4)]) {
    const served = await client.get('http://a.test/', restored.authorization(`default-session-${token}`));
    expect(served).toMatchObject({ status: 200, sessionId: uuidOf(acknowledged.get(token)!) });
  }
  client.close();
  for (let at = 0; at < tokens.length; at += 1_000) {
    const sessionIds = tokens.slice(at, at + 1_000).map((token) => acknowledged.get(token)!);
    const { notFoundIds = [] } = await restored.proxies('BatchGetSessions', { sessionIds });
    expect(notFoundIds).toEqual([]);
  }
  expect(await restored.stop()).toBe(0);
  expect(readdirSync(restored.dataDir).filter((name) => /copy-|restore/.test(name))).toEqual([]);
}, 60_000);

test('without the master key, or with another one, it is refused, and nothing is there', async () => {
  const place = newPlace();
  const without = await runCommand(['restore', backupFile], settingsOf(place.dataDir));
  expect(without).toMatchObject({ code: 1, stdout: '' });
  expect(without.stderr).toMatch(
    /^sallyport: cannot restore: the master key file .*master\.key is missing, and only it/,
  );
  expect(existsSync(join(place.dataDir, 'sallyport.db'))).toBe(false);
  expect(existsSync(join(place.dataDir, 'master.key'))).toBe(false);
  writeFileSync(join(place.dataDir, 'master.key'), `${Buffer.alloc(32, 7).toString('base64')}\n`, { mode: 0o600 });
  const another = await runCommand(['restore', backupFile], settingsOf(place.dataDir));
  expect(another).toMatchObject({ code: 1, stdout: '' });
  expect(another.stderr).toMatch(/^sallyport: cannot restore: the database holds keys that the master key \w+ wraps/);
  expect(readdirSync(place.dataDir).filter((name) => name.startsWith('sallyport.db'))).toEqual(['sallyport.db-lock']);
});

test('a database in use is not replaced; one that was killed is kept, with the last write of it', async () => {
  const place = newPlace('master.key');
  await place.start();
  await place.proxies('CreatePool', { name: 'only-here' });
  const running = await runCommand(['restore', backupFile], settingsOf(place.dataDir));
  expect(running).toMatchObject({ code: 1, stdout: '' });
  expect(running.stderr).toContain('is in use by another Sallyport process');
  await place.kill();
  expect(existsSync(join(place.dataDir, 'sallyport.db-wal'))).toBe(true);
  expect(await runCommand(['restore', backupFile], settingsOf(place.dataDir))).toMatchObject({ code: 0 });
  const [kept, ...others] = readdirSync(place.dataDir).filter((name) => name.includes('.before-restore-'));
  expect(others).toEqual([]);
  const old = new Database(join(place.dataDir, kept!), { readonly: true });
  onTestFinished(() => void old.close());
  expect(old.prepare('select count(*) as n from pools where name = ?').get('only-here')).toEqual({ n: 1 });
  const now = new Database(join(place.dataDir, 'sallyport.db'), { readonly: true });
  onTestFinished(() => void now.close());
  expect(now.prepare('select count(*) as n from pools where name = ?').get('only-here')).toEqual({ n: 0 });
}, 60_000);

test('what is no sound backup is refused and leaves the database as it was', async () => {
  const place = newPlace('master.key');
  const path = join(place.dataDir, 'sallyport.db');
  const restoreFrom = (backupPath: string) => {
    const masterKey = { value: null, file: join(place.dataDir, 'master.key') };
    return restoreBackup({ backupPath, databasePath: path, masterKey });
  };
  expect(await restoreFrom(backupFile)).toBeNull();
  const before = readFileSync(path);
  const whole = readFileSync(backupFile);
  const candidate = join(backupDir, 'candidate');
  const cases: [string, () => void, RegExp][] = [
    ['text', () => writeFileSync(candidate, 'no database\n'.repeat(100)), /candidate is not an SQLite database/],
    ['half of it', () => writeFileSync(candidate, whole.subarray(0, whole.length >> 1)), /candidate is damaged/],
    [
      'a hole',
      () => writeFileSync(candidate, Buffer.from(whole).fill(0xa5, whole.length >> 1, (whole.length >> 1) + 8_192)),
      /candidate is damaged/,
    ],
    ['another program’s', () => change('create table theirs (x)', null), /candidate is a database of another program/],
    [
      'a newer schema',
      () => change('pragma user_version = 9999', whole),
      /candidate has schema 9999, this program knows/,
    ],
    ['nothing', () => rmSync(candidate), /candidate cannot be used \(ENOENT\)/],
  ];
  function change(statement: string, start: Buffer | null): void {
    rmSync(candidate, { force: true });
    if (start !== null) writeFileSync(candidate, start);
    const raw = new Database(candidate);
    raw.exec(statement);
    raw.close();
  }
  for (const [name, make, sentence] of cases) {
    make();
    const error = await restoreFrom(candidate).catch((reason) => reason);
    expect([name, error?.message]).toEqual([name, expect.stringMatching(sentence)]);
  }
  expect(readFileSync(path).equals(before)).toBe(true);
  expect(readdirSync(place.dataDir).filter((name) => /copy-|restore/.test(name))).toEqual([]);
}, 60_000);

test('a backup that is interrupted leaves nothing of its file', async () => {
  const atOnce = (then: () => void) => {
    then();
    return () => undefined;
  };
  const interrupted = commandLine({ SALLYPORT_DATA_DIR: product.dataDir }, { onInterrupt: atOnce });
  const file = join(backupDir, 'interrupted');
  expect(await interrupted('backup', file)).toMatchObject({
    code: 130,
    stderr: `interrupted; nothing of ${file} is left`,
  });
  expect(readdirSync(backupDir).filter((name) => name.startsWith('interrupted'))).toEqual([]);
});

test('the commands say how they are used, and what they cannot reach', async () => {
  const settings = settingsOf(product.dataDir);
  expect(await runCommand(['restore', '--force'], settings)).toMatchObject({ code: 2 });
  expect(await runCommand(['backup', join(backupDir, 'b')], settingsOf(backupDir))).toMatchObject({ code: 2 });
  const before = readFileSync(backupFile);
  const exists = await runCommand(['backup', backupFile], settings);
  expect(exists).toMatchObject({ code: 1, stderr: expect.stringContaining('--force replaces it') });
  expect(readFileSync(backupFile).equals(before)).toBe(true);
  const url = { SALLYPORT_URL: 'http://127.0.0.1:9', SALLYPORT_API_KEY: 'sp_live_x' };
  expect(await runCommand(['backup', join(backupDir, 'b')], url)).toMatchObject({ code: 3 });
  expect(readdirSync(backupDir).filter((name) => name.startsWith('b'))).toEqual([]);
  expect(await runCommand(['backup', '--force', join(backupDir, 'again')], settings)).toMatchObject({ code: 0 });
}, 60_000);
