/**
 * The two hashes of the index. `hashText` is HalfSipHash-1-3 over UTF-16 units:
 * with a secret key nobody can choose tokens or sticky keys that collide, with
 * `PUBLIC_KEY` every gateway and every start computes the same points. `mix`
 * turns one hash into further independent ones. All values are signed 32-bit
 * integers, which V8 keeps unboxed in fields and arrays.
 */

/** The secret of a hash: two 32-bit integers. */
export interface HashKey {
  readonly k0: number;
  readonly k1: number;
}

/** For points that must be the same everywhere: the consistent choice. */
export const PUBLIC_KEY: HashKey = { k0: 0, k1: 0 };

/** HalfSipHash-1-3 (Aumasson, Bernstein), two UTF-16 units a word; a signed 32-bit integer. */
export function hashText(text: string, key: HashKey): number {
  const { length } = text;
  let v0 = key.k0;
  let v1 = key.k1;
  let v2 = 0x6c796765 ^ key.k0;
  let v3 = 0x74656462 ^ key.k1;
  // The last word carries the length, so that no text is a prefix of another.
  for (let i = 0; i <= length; i += 2) {
    let word = i < length ? text.charCodeAt(i) : 0;
    word |= i + 1 < length ? text.charCodeAt(i + 1) << 16 : 0;
    if (i + 1 >= length) word ^= length << 24;
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  v2 ^= 0xff;
  for (let round = 0; round < 3; round++) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
  }
  return v1 ^ v3;
}

/** MurmurHash3's finaliser: a bijection of 32-bit integers with full avalanche. */
export function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
