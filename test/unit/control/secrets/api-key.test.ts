import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  apiKeyPrefix,
  generateApiKey,
  hasApiKeyChecksum,
  hashApiKey,
  isApiKeyShaped,
} from '../../../../control/secrets/api-key.ts';

describe('API keys', () => {
  test('have the prefix, 160 random bits and a checksum that one typo breaks', () => {
    const key = generateApiKey(randomBytes);
    expect(key).toMatch(/^sp_live_[0-9a-f]{48}$/);
    expect(isApiKeyShaped(key)).toBe(true);
    expect(hasApiKeyChecksum(key)).toBe(true);
    for (let n = 8; n < key.length; n++) {
      const typo = key.slice(0, n) + (key[n] === '0' ? '1' : '0') + key.slice(n + 1);
      expect([n, hasApiKeyChecksum(typo)]).toEqual([n, false]);
    }
  });

  test('the checksum is the CRC-32 of what stands before it, with its leading zeros', () => {
    // Zero bits: CRC-32 of "sp_live_" and forty zeros, computed apart from this code.
    expect(generateApiKey((size) => Buffer.alloc(size))).toBe(`sp_live_${'0'.repeat(40)}1e06c6de`);
    const all = Array.from({ length: 600 }, () => generateApiKey(randomBytes));
    expect(all.every((key) => key.length === 56)).toBe(true);
  });

  test('are hashed with SHA-256, and shown by their first 12 characters', () => {
    const key = `sp_live_${'ab'.repeat(16)}`;
    expect(hashApiKey(key)).toBe(createHash('sha256').update(key).digest('hex'));
    expect(apiKeyPrefix(key)).toBe('sp_live_abab');
  });

  test.each([
    ...[
      `sp_live_${'a'.repeat(31)}`,
      `sp_live_${'a'.repeat(129)}`,
      `sp_live_${'A'.repeat(32)}`,
      `sp_test_${'a'.repeat(32)}`,
    ],
    ...[`sp_live_${'a'.repeat(32)}\n`, ` sp_live_${'a'.repeat(32)}`, ''],
  ])('%j has not the shape of one', (text) => {
    expect(isApiKeyShaped(text)).toBe(false);
  });

  test.each([32, 40, 48, 128])('%i hexadecimal characters have it', (length) => {
    expect(isApiKeyShaped(`sp_live_${'0'.repeat(length)}`)).toBe(true);
  });
});
