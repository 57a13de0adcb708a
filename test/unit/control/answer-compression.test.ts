/** Answers for clients that ask for compression: they come in time, and unpack to what was sent. */
import { brotliCompressSync, brotliDecompressSync, constants, gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { ANSWER_COMPRESSIONS } from '../../../control/answer-compression.ts';

const text = JSON.stringify(Array.from({ length: 2_000 }, (_, i) => ({ token: `t${i}`, at: i * 977, host: 'h.test' })));

test('what is compressed unpacks to the same', async () => {
  const unpack = { gzip: gunzipSync, br: brotliDecompressSync };
  expect(ANSWER_COMPRESSIONS.map(({ name }) => name)).toEqual(['gzip', 'br']);
  for (const { name, compress } of ANSWER_COMPRESSIONS) {
    const packed = await compress(new TextEncoder().encode(text));
    expect(packed.length).toBeLessThan(text.length / 4);
    expect(unpack[name as 'gzip' | 'br'](packed).toString()).toBe(text);
  }
});

test("brotli does not search for its smallest form, which takes minutes for a bulk call's answer", async () => {
  const brotli = ANSWER_COMPRESSIONS.find(({ name }) => name === 'br');
  const packed = await brotli!.compress(new TextEncoder().encode(text));
  const at = (quality: number) => brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: quality } });
  expect(packed.length).toBe(at(4).length);
  expect(packed.length).toBeGreaterThan(at(11).length);
});
