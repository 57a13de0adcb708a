import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadMasterKey } from '../../../../control/secrets/master-key.ts';
import { tempDir } from '../../../helpers/store-rig.ts';
import { keyInFile, newWorkspaceId } from './key-rig.ts';

const bytes32 = randomBytes(32).toString('base64');
const refusal = (kind: string) => expect.objectContaining({ name: 'SecretError', kind });
const fromFile = (file: string, mayCreate = false) => ({ value: null, file, mayCreate });

describe('a master key in a file', () => {
  test('is made once, for its owner only, and read again', () => {
    const dir = join(tempDir(), 'data');
    const file = join(dir, 'master.key');
    const key = loadMasterKey(fromFile(file, true));
    expect(readFileSync(file, 'utf8')).toBe(`${key.wrapping.root?.toString('base64')}\n`);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(readdirSync(dir)).toEqual(['master.key']);
    expect(loadMasterKey(fromFile(file, true)).wrapping.root).toEqual(key.wrapping.root);
    expect(loadMasterKey(fromFile(file)).wrapping.id).toEqual(key.wrapping.id);
  });

  test('is not made anew when the database holds what an old one wrapped', () => {
    const file = join(tempDir(), 'master.key');
    expect(() => loadMasterKey(fromFile(file))).toThrow(refusal('key-missing'));
    expect(existsSync(file)).toBe(false);
  });

  test.each([0o640, 0o604, 0o620, 0o660, 0o777])('is refused with mode %o', (mode) => {
    const file = join(tempDir(), 'master.key');
    loadMasterKey(fromFile(file, true));
    chmodSync(file, mode);
    expect(() => loadMasterKey(fromFile(file))).toThrow(refusal('key-exposed'));
  });

  test.each(['', 'c2hvcnQ=', 'a'.repeat(63), 'a'.repeat(65), `${'a'.repeat(63)}g`, randomBytes(33).toString('base64')])(
    'is refused when it holds %j, without repeating it',
    (text) => {
      const file = join(tempDir(), 'master.key');
      writeFileSync(file, text, { mode: 0o600 });
      expect(() => loadMasterKey(fromFile(file, true))).toThrow(refusal('key-malformed'));
      expect(() => loadMasterKey(fromFile(file))).toThrow(`the master key in ${file} must be 32 bytes`);
      expect(readFileSync(file, 'utf8')).toBe(text);
    },
  );

  test('that cannot be read says so', () => {
    expect(() => loadMasterKey(fromFile(tempDir()))).toThrow(expect.objectContaining({ name: 'SecretError' }));
    const file = join(tempDir(), 'file');
    writeFileSync(file, '');
    expect(() => loadMasterKey(fromFile(join(file, 'master.key'), true))).toThrow(refusal('key-unreadable'));
  });
});

describe('a master key in the configuration', () => {
  const bytes = randomBytes(32);

  test.each(['hex', 'base64', 'base64url'] as const)('is taken as %s, and no file is made', (encoding) => {
    const file = join(tempDir(), 'master.key');
    const key = loadMasterKey({ value: ` ${bytes.toString(encoding)}\n`, file, mayCreate: true });
    expect(key.wrapping.root).toEqual(bytes);
    expect(existsSync(file)).toBe(false);
  });

  test('is refused when malformed, without its value in the message', () => {
    const value = 'not-a-key-but-s3cret';
    const load = () => loadMasterKey({ value, file: '/nowhere', mayCreate: true });
    expect(load).toThrow(refusal('key-malformed'));
    expect(load).not.toThrow(value);
  });
});

describe('destroying a workspace', () => {
  const [gone, kept] = [newWorkspaceId(), newWorkspaceId()];

  test('rewrites the file for its owner only; nothing of the old key is in it, and no draft beside it', () => {
    const file = join(tempDir(), 'master.key');
    const key = keyInFile(file);
    const before = key.wrapping;
    expect(key.destroy([gone])).toBe('punctured');
    expect([key.isDestroyed(gone), key.isDestroyed(kept)]).toEqual([true, false]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(file, '..'))).toEqual(['master.key']);
    expect(readFileSync(file, 'utf8')).not.toContain(before.root?.toString('base64'));
    const again = loadMasterKey(fromFile(file));
    expect(again.wrapping.id).toEqual(before.id);
    expect(again.wrapping.keyOf(gone)).toBeNull();
    expect(again.wrapping.keyOf(kept)).toEqual(before.keyOf(kept));
    chmodSync(file, 0o640);
    expect(() => loadMasterKey(fromFile(file))).toThrow(refusal('key-exposed'));
  });

  test('is done to both keys while the master key is changed, and stays done after', () => {
    const file = join(tempDir(), 'master.key');
    const key = keyInFile(file);
    key.startNext();
    key.destroy([gone]);
    const resumed = loadMasterKey(fromFile(file));
    expect(resumed.isChanging).toBe(true);
    expect(resumed.keyringIds.map((id) => resumed.keyring(id)?.keyOf(gone))).toEqual([null, null]);
    resumed.finishNext();
    expect(loadMasterKey(fromFile(file)).isDestroyed(gone)).toBe(true);
    expect(loadMasterKey(fromFile(file)).isDestroyed(kept)).toBe(false);
  });

  test('is put on record where the key is given by value, and refused from then on', () => {
    const file = join(tempDir(), 'master.key');
    const load = () => loadMasterKey({ value: bytes32, file, mayCreate: false });
    expect(load().destroy([gone])).toBe('recorded');
    expect(readFileSync(`${file}.destroyed`, 'utf8')).toBe(`${gone}\n`);
    expect(statSync(`${file}.destroyed`).mode & 0o777).toBe(0o600);
    const again = load();
    expect([again.isDestroyed(gone), again.isDestroyed(kept)]).toEqual([true, false]);
    again.destroy([kept]);
    expect(readFileSync(`${file}.destroyed`, 'utf8')).toBe(`${gone}\n${kept}\n`);
    writeFileSync(`${file}.destroyed`, 'garbage\n');
    expect(load).toThrow(refusal('key-malformed'));
  });

  test.skipIf(process.getuid?.() === 0)('is put on record where the key file may not be replaced', () => {
    const [dir, recordFile] = [tempDir(), join(tempDir(), 'destroyed')];
    const file = join(dir, 'master.key');
    keyInFile(file);
    chmodSync(dir, 0o500);
    const key = loadMasterKey({ ...fromFile(file), recordFile });
    expect(key.destroy([gone])).toBe('recorded');
    expect(loadMasterKey({ ...fromFile(file), recordFile }).isDestroyed(gone)).toBe(true);
    chmodSync(dir, 0o700);
  });
});

describe('changing the master key', () => {
  test('the new one wraps from its making on, is found again after a crash, and replaces the old one', () => {
    const file = join(tempDir(), 'master.key');
    const key = keyInFile(file);
    const old = key.wrapping;
    key.startNext();
    const next = key.wrapping;
    expect(next.id).not.toEqual(old.id);
    expect(statSync(`${file}.next`).mode & 0o777).toBe(0o600);
    const resumed = loadMasterKey(fromFile(file));
    expect(resumed.wrapping.root).toEqual(next.root);
    expect(resumed.keyring(old.id)?.root).toEqual(old.root);
    resumed.startNext();
    expect(resumed.wrapping.root).toEqual(next.root);
    resumed.finishNext();
    expect(existsSync(`${file}.next`)).toBe(false);
    const after = loadMasterKey(fromFile(file));
    expect(after.wrapping.root).toEqual(next.root);
    expect([after.isChanging, after.keyring(old.id)]).toEqual([false, null]);
  });

  test('a draft that a crash left is not taken for a key, and goes', () => {
    const file = join(tempDir(), 'master.key');
    const key = keyInFile(file);
    for (const left of [`${file}.draft`, `${file}.next.draft`]) writeFileSync(left, 'half a k', { mode: 0o600 });
    expect(loadMasterKey(fromFile(file)).wrapping.id).toEqual(key.wrapping.id);
    expect(readdirSync(join(file, '..'))).toEqual(['master.key']);
  });
});
