import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VENDORS } from '../../../control/providers/vendors.ts';
import type { ProviderId, WorkspaceId } from '../../../src/core/model.ts';
import { compileTokenFormat } from '../../../src/core/token-format.ts';
import { type MintOptions, type RandomFill, TokenMint } from '../../../src/core/token-mint.ts';

const free = (): boolean => false;

function mintOf(format: string, over: Partial<MintOptions> = {}): TokenMint {
  const ids = { workspaceId: 'workspace-a' as WorkspaceId, providerId: 'provider-1' as ProviderId };
  return new TokenMint({ ...ids, format: compileTokenFormat(format)!, ...over });
}

/** Octets that look random and are the same in each run. */
function seededRandom(seed: string): RandomFill {
  let count = 0;
  return (target) => {
    for (let at = 0; at < target.length; at += 32) {
      const block = createHash('sha256').update(`${seed} ${count++}`).digest();
      target.set(block.subarray(0, Math.min(32, target.length - at)), at);
    }
  };
}

const keys = (count: number): string[] => Array.from({ length: count }, (_, i) => `checkout-${i}`);

describe('the token of a key', () => {
  it('is the same on every gateway, today and after an update', () => {
    const token = mintOf('[a-z0-9]{16}').mint('checkout1', free);
    expect(mintOf('[a-z0-9]{16}').mint('checkout1', free)).toBe(token);
    // By hand: domain, workspace, provider and key, each behind its length; counter 0, block 0.
    const part = (text: string) => [Buffer.from([0, 0, 0, text.length]), Buffer.from(text)];
    const parts = ['sallyport minted token 1', 'workspace-a', 'provider-1', 'checkout1'].flatMap(part);
    const octets = createHash('sha256').update(Buffer.concat(parts)).update(Buffer.alloc(8)).digest();
    const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz';
    // 252 is the last multiple of 36 that an octet reaches.
    const characters = [...octets].filter((octet) => octet < 252).map((octet) => alphabet[octet % 36]);
    expect(token).toBe(characters.slice(0, 16).join(''));
  });

  it('is foreseen without being held: another key may have it', () => {
    // Ten tokens: the sixth key or so meets another's.
    const mint = mintOf('[0-9]{1}');
    for (const key of keys(5)) {
      const foreseen = mint.foresee(key, free);
      expect(mint.size).toBe(keys(5).indexOf(key));
      expect(mint.foresee(key, free)).toBe(foreseen);
      expect(mint.mint(key, free)).toBe(foreseen);
      expect(mint.foresee(key, free)).toBe(foreseen);
      const isTaken = (token: string): boolean => token === foreseen;
      expect(mint.foresee(key, isTaken)).not.toBe(foreseen);
    }
    const before = keys(5).map((key) => mint.foresee(key, free));
    for (const key of keys(100)) mint.foresee(key, free);
    expect(keys(5).map((key) => mint.mint(key, free))).toEqual(before);
    expect(mint.foresee('k', () => true)).toBeNull();
  });

  it('is another in each workspace and for each provider', () => {
    const own = mintOf('[a-z0-9]{16}');
    const others = [
      mintOf('[a-z0-9]{16}', { workspaceId: 'workspace-b' as WorkspaceId }),
      mintOf('[a-z0-9]{16}', { providerId: 'provider-2' as ProviderId }),
      // The same characters in a row, divided otherwise.
      mintOf('[a-z0-9]{16}', { workspaceId: 'workspace-aprovider' as WorkspaceId, providerId: '-1' as ProviderId }),
    ];
    const seen = new Set(keys(10_000).map((key) => own.mint(key, free)));
    for (const other of others) for (const key of keys(10_000)) expect(seen.has(other.mint(key, free))).toBe(false);
  });

  it('is its own among 100,000 keys in a format of ten letters', () => {
    const mint = mintOf('[a-z]{10}');
    expect(new Set(keys(100_000).map((key) => mint.mint(key, free))).size).toBe(100_000);
  });

  it('stays while the key is used, without being computed again', () => {
    const mint = mintOf('[a-z0-9]{16}');
    const asked: string[] = [];
    const note = (token: string): boolean => asked.push(token) === 0;
    const token = mint.mint('a', note);
    expect([mint.mint('a', note), mint.size]).toEqual([token, 1]);
    expect(asked).toEqual([token, token]);
  });

  it('is never that of a session, not even of one that came later', () => {
    const mint = mintOf('[a-z0-9]{16}');
    const first = mint.mint('a', free);
    const second = mint.mint('a', (token) => token === first);
    expect(second).not.toBe(first);
    expect(mint.mint('a', (token) => token === first)).toBe(second);
    expect(mint.mint('a', () => true)).toBeNull();
  });

  it('is kept for 65,536 keys', () => {
    const mint = mintOf('[0-9]{9}');
    for (const key of keys(66_000)) mint.mint(key, free);
    expect(mint.size).toBe(65_536);
  });
});

describe('a small format', () => {
  it('gives 50 live keys of 100 possible tokens one each', () => {
    const mint = mintOf('[0-9]{2}');
    const first = keys(50).map((key) => mint.mint(key, free));
    expect(new Set(first).size).toBe(50);
    for (const token of first) expect(token).toMatch(/^[0-9]{2}$/);
    expect(keys(50).map((key) => mint.mint(key, free))).toEqual(first);
  });

  it('lets go of the keys that were used least lately, and of their tokens', () => {
    const mint = mintOf('[0-9]{2}');
    for (const key of keys(5_000)) expect(mint.mint(key, free)).toMatch(/^[0-9]{2}$/);
    expect(mint.size).toBe(75);
    const live = keys(5_000).slice(-75);
    expect(new Set(live.map((key) => mint.mint(key, free))).size).toBe(75);
  });

  it('gives a fresh token that no live key has, and none when there is none', () => {
    const mint = mintOf('[0-9]{1}');
    const held = keys(7).map((key) => mint.mint(key, free));
    const random = seededRandom('fresh');
    for (let i = 0; i < 200; i++) expect(held).not.toContain(mint.fresh(random, free));
    expect(mint.fresh(random, () => true)).toBeNull();
    const single = mintOf('[a]{3}');
    expect([single.mint('a', free), single.mint('b', free)]).toEqual(['aaa', null]);
  });
});

describe('characters', () => {
  const counted = (tokens: readonly (string | null)[]): Map<string, number> => {
    const counts = new Map<string, number>();
    for (const character of tokens.join('')) counts.set(character, (counts.get(character) ?? 0) + 1);
    return counts;
  };

  it.each(['[a-z]{10}', '[0-9]{9}', '[A-Za-z0-9]{8}', '[a-f0-9]{12}'])('of %s come equally often', (format) => {
    const { alphabet } = compileTokenFormat(format)!;
    const mint = mintOf(format);
    const random = seededRandom(format);
    const fresh = keys(20_000).map(() => mint.fresh(random, free));
    for (const tokens of [keys(20_000).map((key) => mint.mint(key, free)), fresh]) {
      const counts = counted(tokens);
      const expected = tokens.join('').length / alphabet.length;
      expect([...counts.keys()].sort().join('')).toBe(alphabet);
      // Chi squared over its degrees of freedom: about 1; of octets without rejection it would be above 15.
      const chi = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
      expect(chi / (alphabet.length - 1)).toBeLessThan(2.5);
    }
  });

  it.each([
    ['[A-Za-z0-9]{1,32}', /^[A-Za-z0-9]{16}$/],
    ['[A-Za-z0-9]{8}', /^[A-Za-z0-9]{8}$/],
    ['[0-9]{1,9}', /^[0-9]{9}$/],
    ['[0-9]{1,40}', /^[0-9]{20}$/],
    ['[ab]{1,100}', /^[ab]{64}$/],
    ['[a-f0-9]{24,40}', /^[a-f0-9]{24}$/],
    ['[a]{2,5}', /^a{5}$/],
    // No mark that could be a separator, unless there is little else.
    ['[A-Za-z0-9._~-]{20}', /^[A-Za-z0-9]{20}$/],
    ['[a_-]{12}', /^[a_-]{12}$/],
  ])('of %s are as many as 64 bits need, 16 at least, where it allows that', (format, pattern) => {
    for (const key of keys(1)) expect(mintOf(format).mint(key, free)).toMatch(pattern);
    expect(mintOf(format).fresh(seededRandom('one'), free)).toMatch(pattern);
  });
});

const GATEWAYS = [...VENDORS.values()].filter((vendor) => vendor.kind === 'gateway');

it.each(GATEWAYS)('whatever the key, $label gets a legal token', ({ gateway }) => {
  const legal = new RegExp(`^${gateway!.tokenFormat}$`);
  const mint = mintOf(gateway!.tokenFormat);
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (key) => {
      expect(mint.mint(key, free)).toMatch(legal);
    }),
    { numRuns: 500 },
  );
});
