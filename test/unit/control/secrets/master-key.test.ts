import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadMasterKey } from '../../../../control/secrets/master-key.ts';
import { tempDir } from '../store/store-rig.ts';

const refusal = (kind: string) => expect.objectContaining({ name: 'SecretError', kind });
const fromFile = (file: string, mayCreate = false) => ({ value: null, file, mayCreate });

describe('a master key in a file', () => {
  test('is made once, for its owner only, and read again', () => {
    const dir = join(tempDir(), 'data');
    const file = join(dir, 'master.key');
    const key = loadMasterKey(fromFile(file, true));
    expect(key.length).toBe(32);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(readdirSync(dir)).toEqual(['master.key']);
    expect(loadMasterKey(fromFile(file, true)).equals(key)).toBe(true);
    expect(loadMasterKey(fromFile(file)).equals(key)).toBe(true);
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
    expect(loadMasterKey({ value: ` ${bytes.toString(encoding)}\n`, file, mayCreate: true }).equals(bytes)).toBe(true);
    expect(existsSync(file)).toBe(false);
  });

  test('is refused when malformed, without its value in the message', () => {
    const value = 'not-a-key-but-s3cret';
    const load = () => loadMasterKey({ value, file: '/nowhere', mayCreate: true });
    expect(load).toThrow(refusal('key-malformed'));
    expect(load).not.toThrow(value);
  });
});
