/**
 * API keys: their shape, their making, their hash. Called by the account
 * services, the bootstrap and both planes' authentication (through the hash).
 *
 *   sp_live_ + 40 hexadecimal characters (160 random bits) + 8 (CRC-32 of all before)
 *
 * The checksum lets scanners and people tell a real key from a typo. It is not
 * asked for when authenticating, as operators may bring keys of their own.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

const PREFIX = 'sp_live_';
const RANDOM_BYTES = 20;
/** Characters of a key that are shown for people to tell keys apart: the prefix and 16 of its random bits. */
const DISPLAY_LENGTH = 12;
const SHAPE = /^sp_live_[0-9a-f]{32,128}$/;

/** A new raw key. `randomBytes` is `crypto.randomBytes` in production. */
export function generateApiKey(randomBytes: (size: number) => Buffer): string {
  const body = PREFIX + randomBytes(RANDOM_BYTES).toString('hex');
  return body + crc32(body).toString(16).padStart(8, '0');
}

/** SHA-256 of the raw key, 64 lower-case hex characters. Enough for 128 random bits or more: no guessing to slow down. */
export function hashApiKey(rawKey: string): string {
  return createHash('sha256').update(rawKey).digest('hex');
}

/** Whether the text can be an API key at all: `sp_live_` and 32–128 lower-case hexadecimal characters. */
export function isApiKeyShaped(text: string): boolean {
  return SHAPE.test(text);
}

/** Whether a key that was generated here is spelled right: its checksum fits. */
export function hasApiKeyChecksum(rawKey: string): boolean {
  const body = rawKey.slice(0, -8);
  return isApiKeyShaped(rawKey) && crc32(body).toString(16).padStart(8, '0') === rawKey.slice(-8);
}

/** The part of a key that may be shown and stored. */
export function apiKeyPrefix(rawKey: string): string {
  return rawKey.slice(0, DISPLAY_LENGTH);
}
