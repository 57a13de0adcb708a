import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type BodyEvent, BodyReader } from '../../../../gateway/http1/framing.ts';

interface Read {
  readonly events: BodyEvent[];
  readonly out: string;
  /** Octets of the input that were not body. */
  readonly surplus: number;
}

/** Feeds `octets` in pieces of these lengths (cyclic), as a socket would. */
function readInPieces(reader: BodyReader, octets: Buffer, lengths: readonly number[]): Read {
  let out = '';
  const events: BodyEvent[] = [];
  let pos = 0;
  for (let i = 0; pos < octets.length; i++) {
    const piece = octets.subarray(pos, pos + lengths[i % lengths.length]!);
    const event = reader.read(piece, (some) => {
      out += some.toString('latin1');
    });
    events.push(event);
    pos += reader.consumed;
    if (event !== 'more') break;
  }
  return { events, out, surplus: octets.length - pos };
}

const data = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((octets) => Buffer.from(octets).toString('latin1'));
const extension = fc.constantFrom('', ';a', ';a=b', ';a="x;y"', ' '.repeat(0));
const trailer = fc.constantFrom('', 'T: 1\r\n', 'Content-Length: 5\r\nHost: x\r\n');
const chunk = fc.record({ data, extension, zeros: fc.nat(3), upper: fc.boolean() });
const body = fc.record({ chunks: fc.array(chunk, { maxLength: 6 }), trailer, last: extension });
const lengths = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 8 });

function sizeOf({ data: text, zeros, upper }: { data: string; zeros: number; upper: boolean }): string {
  const hex = text.length.toString(16);
  return '0'.repeat(zeros) + (upper ? hex.toUpperCase() : hex);
}

describe('chunked', () => {
  test('any body, cut anywhere: framing and data travel, extensions and trailers do not', () => {
    fc.assert(
      fc.property(body, lengths, ({ chunks, trailer: lines, last }, pieces) => {
        const sent = `${chunks.map((c) => `${sizeOf(c)}${c.extension}\r\n${c.data}\r\n`).join('')}0${last}\r\n${lines}\r\n`;
        const travels = `${chunks.map((c) => `${sizeOf(c)}\r\n${c.data}\r\n`).join('')}0\r\n\r\n`;
        const octets = Buffer.from(`${sent}NEXT`, 'latin1');
        const kept = readInPieces(new BodyReader('chunked'), octets, pieces);
        expect(kept).toMatchObject({ out: travels, surplus: 4 });
        expect(kept.events.at(-1)).toBe('done');
        const bare = readInPieces(new BodyReader('chunked', false), octets, pieces);
        expect(bare).toMatchObject({ out: chunks.map((c) => c.data).join(''), surplus: 4 });
        // What we write reads to the same data again.
        expect(readInPieces(new BodyReader('chunked', false), Buffer.from(kept.out, 'latin1'), [7]).out).toBe(bare.out);
      }),
    );
  });

  test('random octets never throw, and end alike however they are cut', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), lengths, (octets, pieces) => {
        const whole = readInPieces(new BodyReader('chunked'), Buffer.from(octets), [1_000]);
        const cut = readInPieces(new BodyReader('chunked'), Buffer.from(octets), pieces);
        expect(cut.events.at(-1)).toBe(whole.events.at(-1));
        if (whole.events.at(-1) !== 'malformed') expect(cut).toMatchObject({ out: whole.out, surplus: whole.surplus });
      }),
      { numRuns: 500 },
    );
  });

  test('a chunk that fits leaves as the very buffer that came', () => {
    const reader = new BodyReader('chunked');
    const input = Buffer.from('5\r\nhello\r\n');
    const seen: Buffer[] = [];
    reader.read(input, (octets) => seen.push(octets));
    expect(seen).toEqual([input]);
    expect(seen[0]).toBe(input);
  });

  test.each([
    ['an extension', (n: number) => `1;${'e'.repeat(n - 1)}\r\nx\r\n0\r\n\r\n`],
    ['many extensions', (n: number) => `${'1;\r\nx\r\n'.repeat(n - 9)}1;12345678\r\nx\r\n0\r\n\r\n`],
    ['a trailer', (n: number) => `0\r\nT:${'e'.repeat(n - 2)}\r\n\r\n`],
    ['many trailers', (n: number) => `0\r\n${'T:\r\n'.repeat(n / 2)}\r\n`],
  ])('octets of %s: the bound is exact', (_, bodyOf) => {
    for (const n of [16_382, 16_384, 16_386]) {
      const { events } = readInPieces(new BodyReader('chunked'), Buffer.from(bodyOf(n)), [100]);
      expect(events.at(-1), `${n}`).toBe(n <= 16_384 ? 'done' : 'malformed');
    }
  });

  test.each(['X', 'X Y: z', ' X: y', ': y', 'X : y', '\xe9: y', 'GET /x HTTP/1.1'])(
    'trailer %j is no field line',
    (line) => {
      const octets = Buffer.from(`0\r\n${line}\r\n\r\n`, 'latin1');
      expect(readInPieces(new BodyReader('chunked'), octets, [3]).events.at(-1)).toBe('malformed');
    },
  );
});

describe('a length', () => {
  test.each([0, 1, 5])('of %i: so much is body, the rest is not', (n) => {
    const reader = new BodyReader(n);
    expect(reader.done).toBe(n === 0);
    expect(readInPieces(reader, Buffer.from('0123456789'), [3])).toMatchObject({
      out: '0123456789'.slice(0, n),
      surplus: 10 - n,
    });
    expect(reader.done).toBe(true);
  });

  test('up to the end of the connection: never done', () => {
    const reader = new BodyReader('close');
    expect(readInPieces(reader, Buffer.from('0123'), [2])).toEqual({
      events: ['more', 'more'],
      out: '0123',
      surplus: 0,
    });
    expect(reader.done).toBe(false);
  });
});
