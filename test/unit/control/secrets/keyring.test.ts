import { createHash, createHmac, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Keyring } from '../../../../control/secrets/keyring.ts';
import { formatKeyring, parseKeyring } from '../../../../control/secrets/keyring-text.ts';
import type { WorkspaceId } from '../../../../src/core/model.ts';
import { newWorkspaceId } from './key-rig.ts';

const root = randomBytes(32);
const whole = Keyring.whole(root);
const ids = Array.from({ length: 60 }, newWorkspaceId);
const keysOf = (keyring: Keyring) => ids.map((id) => keyring.keyOf(id)?.toString('hex') ?? null);

describe('a keyring', () => {
  test('derives a key for each workspace as documented: HMAC along 64 bits of SHA-256 of its id', () => {
    const id = '017f22e2-79b0-7000-8000-000000000001' as WorkspaceId;
    const digest = createHash('sha256')
      .update(Buffer.from(id.replaceAll('-', ''), 'hex'))
      .digest();
    let node: Buffer = root;
    for (let bit = 0; bit < 64; bit++) {
      const side = (digest[bit >> 3]! >> (7 - (bit & 7))) & 1;
      node = createHmac('sha256', node).update(Buffer.of(side)).digest();
    }
    expect(whole.keyOf(id)).toEqual(node);
    expect(new Set(keysOf(whole)).size).toBe(ids.length);
  });

  test('has an id of its root alone, that outlives what is cut out', () => {
    expect(Keyring.whole(root).id).toEqual(whole.id);
    expect(whole.id).toHaveLength(8);
    expect(Keyring.whole(randomBytes(32)).id).not.toEqual(whole.id);
    expect(whole.without(ids.slice(0, 3)).id).toEqual(whole.id);
  });

  test('loses exactly the keys that are cut out, whatever the order', () => {
    const expected = keysOf(whole);
    let cut = whole;
    for (const [n, id] of ids.entries()) {
      if (n % 3 !== 0) continue;
      cut = cut.without([id]);
      expect(cut.keyOf(id)).toBeNull();
      expect(cut.has(id)).toBe(false);
    }
    expect(keysOf(cut)).toEqual(expected.map((key, n) => (n % 3 === 0 ? null : key)));
    const atOnce = whole.without(ids.filter((_, n) => n % 3 === 0).reverse());
    expect(new Map([...atOnce.nodes].sort())).toEqual(new Map([...cut.nodes].sort()));
    expect(keysOf(whole)).toEqual(expected);
  });

  test('keeps no node above a key that was cut out, nor the key', () => {
    const gone = ids[0]!;
    const cut = whole.without([gone]);
    expect(cut.root).toBeNull();
    expect(cut.nodes.size).toBe(64);
    const path = BigInt(
      `0x${createHash('sha256')
        .update(Buffer.from(gone.replaceAll('-', ''), 'hex'))
        .digest('hex')}`,
    )
      .toString(2)
      .padStart(256, '0')
      .slice(0, 64);
    expect([...cut.nodes.keys()].filter((node) => path.startsWith(node))).toEqual([]);
    const secret = whole.keyOf(gone)!;
    expect([...cut.nodes.values()].some((node) => node.equals(secret))).toBe(false);
  });

  test('cut once is not changed by cutting the same again', () => {
    const cut = whole.without([ids[0]!]);
    expect(cut.without([ids[0]!])).toBe(cut);
  });
});

describe('a keyring as text', () => {
  test('is the bare key while nothing was cut out', () => {
    expect(formatKeyring(whole)).toBe(`${root.toString('base64')}\n`);
    expect(parseKeyring(formatKeyring(whole), 'f').root).toEqual(root);
    expect(parseKeyring(root.toString('hex'), 'f').root).toEqual(root);
  });

  test('comes back as it was, and holds nothing of the root', () => {
    const cut = whole.without(ids.slice(0, 5));
    const text = formatKeyring(cut);
    const back = parseKeyring(text, 'f');
    expect(back.id).toEqual(cut.id);
    expect(keysOf(back)).toEqual(keysOf(cut));
    for (const encoding of ['base64', 'hex', 'base64url'] as const) expect(text).not.toContain(root.toString(encoding));
  });

  test('is refused with any one character changed, and repeats none of it', () => {
    const text = formatKeyring(whole.without(ids.slice(0, 1)));
    const refused = expect.objectContaining({ name: 'SecretError', kind: 'key-malformed' });
    for (let at = 0; at < text.length; at += 7) {
      const other = text[at] === 'A' ? 'B' : 'A';
      const damaged = text.slice(0, at) + other + text.slice(at + 1);
      expect(() => parseKeyring(damaged, 'f')).toThrow(refused);
    }
    for (const length of [0, 20, 100, text.length - 2, text.length - 1]) {
      expect(() => parseKeyring(text.slice(0, length), 'f'), `${length}`).toThrow(refused);
    }
    try {
      parseKeyring(`${text}x`, 'f');
      expect.unreachable();
    } catch (error) {
      expect((error as Error).message).toBe('the keyring in f is damaged: put an undamaged copy of it back');
    }
  });
});
