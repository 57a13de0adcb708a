import { createCipheriv, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createRandomPool } from '../../../../control/random-pool.ts';
import { open, type SealedPlace, seal } from '../../../../control/secrets/sealing.ts';
import type { SecretError } from '../../../../control/secrets/secret-error.ts';
import type { WorkspaceId } from '../../../../src/core/model.ts';

const WORKSPACE = '017f22e2-79b0-7000-8000-000000000001' as WorkspaceId;
const OTHER_WORKSPACE = '017f22e2-79b0-7000-8000-000000000002' as WorkspaceId;
const PLACE: SealedPlace = {
  workspaceId: WORKSPACE,
  rowId: '017f22e2-79b0-7000-8000-0000000000aa',
  column: 'sessions.password',
  endpoint: { scheme: 'http', host: 'proxy.test', port: 8080 },
  serial: 1,
};
const KEY = { version: 1, key: randomBytes(32) };
const fillRandom = createRandomPool();
const keyOf = (version: number) => (version === 1 ? KEY.key : undefined);
const sealed = (text = 'hunter2') => seal(KEY, PLACE, Buffer.from(text), fillRandom);

/** Asserts that the blob is refused in the one way there is, with nothing of it in the text. */
function expectRefused(work: () => unknown): void {
  const error = ((): SecretError | null => {
    try {
      work();
      return null;
    } catch (reason) {
      return reason as SecretError;
    }
  })();
  expect(error).toMatchObject({ name: 'SecretError', kind: 'unsealable' });
  expect(error?.message).toBe('a sealed value does not open: it was changed, moved, or sealed for another place');
  expect(error?.cause).toBeUndefined();
}

describe('a sealed value', () => {
  test.each(['hunter2', '', 'pässwörd ✓', 'x'.repeat(1_024)])('opens in its place: %j', (text) => {
    expect(open(keyOf, PLACE, sealed(text)).toString()).toBe(text);
  });

  test('has the documented layout, and a fresh nonce each time', () => {
    const blob = sealed();
    expect([blob[0], blob.readUInt32BE(1), blob.length]).toEqual([1, 1, 1 + 4 + 12 + 16 + 'hunter2'.length]);
    expect(blob.includes('hunter2')).toBe(false);
    const nonces = new Set(Array.from({ length: 2_000 }, () => sealed().subarray(5, 17).toString('hex')));
    expect(nonces.size).toBe(2_000);
  });

  test.each<[string, Partial<SealedPlace>]>([
    ['row', { rowId: '017f22e2-79b0-7000-8000-0000000000bb' }],
    ['workspace', { workspaceId: OTHER_WORKSPACE }],
    ['column', { column: 'providers.credentials' }],
    ['scheme', { endpoint: { scheme: 'https', host: 'proxy.test', port: 8080 } }],
    ['host', { endpoint: { scheme: 'http', host: 'evil.test', port: 8080 } }],
    ['port', { endpoint: { scheme: 'http', host: 'proxy.test', port: 8081 } }],
    ['place without an endpoint', { endpoint: null }],
    ['secret of the row', { serial: 2 }],
  ])('does not open in another %s', (_, over) => {
    const blob = sealed();
    expectRefused(() => open(keyOf, { ...PLACE, ...over }, blob));
    expect(open(keyOf, PLACE, blob).toString()).toBe('hunter2');
  });

  test('does not open with any single bit flipped', () => {
    const blob = sealed();
    for (let bit = 0; bit < blob.length * 8; bit++) {
      const flipped = Buffer.from(blob);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expectRefused(() => open(keyOf, PLACE, flipped));
    }
  });

  test('does not open cut short anywhere, or made longer', () => {
    const blob = sealed();
    for (let length = 0; length < blob.length; length++) {
      expectRefused(() => open(keyOf, PLACE, blob.subarray(0, length)));
    }
    expectRefused(() => open(keyOf, PLACE, Buffer.concat([blob, Buffer.from([0])])));
  });

  test.each([4, 8, 12])('does not open with a genuine tag of %i bytes', (tagLength) => {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', KEY.key, nonce, { authTagLength: tagLength });
    const { workspaceId, rowId, column } = PLACE;
    cipher.setAAD(Buffer.from(['1', workspaceId, rowId, column, 'http://proxy.test:8080', '1'].join('\0')));
    const text = Buffer.concat([cipher.update('hunter2'), cipher.final()]);
    expectRefused(() =>
      open(keyOf, PLACE, Buffer.concat([Buffer.from([1, 0, 0, 0, 1]), nonce, cipher.getAuthTag(), text])),
    );
  });

  test('does not open under another key of the same version, or claiming another version', () => {
    const blob = sealed();
    expectRefused(() => open(() => randomBytes(32), PLACE, blob));
    blob.writeUInt32BE(2, 1);
    expectRefused(() => open(() => KEY.key, PLACE, blob));
  });
});

describe('nonces', () => {
  test('0 of 1,000,000 repeat', () => {
    // The first 8 of the 12 bytes: what differs there differs.
    const seen = new BigUint64Array(1_000_000);
    const nonce = Buffer.alloc(12);
    for (let n = 0; n < seen.length; n++) {
      fillRandom(nonce);
      seen[n] = nonce.readBigUInt64LE(0);
    }
    seen.sort();
    let repeats = 0;
    for (let n = 1; n < seen.length; n++) if (seen[n] === seen[n - 1]) repeats++;
    expect(repeats).toBe(0);
  });

  test('a sealed value carries the one that the source gave', () => {
    const given = Buffer.from('00112233445566778899aabb', 'hex');
    const blob = seal(KEY, PLACE, Buffer.from('x'), (target) => target.set(given));
    expect(blob.subarray(5, 17)).toEqual(given);
  });
});
