import { describe, expect, test } from 'vitest';
import { createRandomPool } from '../../../control/random-pool.ts';
import { blobToUuid, isUuidText, uuidToBlob } from '../../../control/store/uuid-blob.ts';
import { createUuidSource } from '../../../control/uuid.ts';

const clockAt = (time: { ms: number }) => ({ nowMs: () => time.ms, monotonicMs: () => 0 });

describe('new ids', () => {
  test('are UUIDv7 of the clock’s millisecond, as in RFC 9562', () => {
    const newId = createUuidSource(clockAt({ ms: 0x017f22e279b0 }), (target) => target.fill(0xff));
    expect(newId()).toBe('017f22e2-79b0-77ff-bfff-ffffffffffff');
    expect(isUuidText(newId())).toBe(true);
  });

  test('rise strictly: within a millisecond, past 4,096 of them, and when the clock goes back', () => {
    const time = { ms: 1_700_000_000_000 };
    const newId = createUuidSource(clockAt(time), createRandomPool());
    const ids = Array.from({ length: 10_000 }, () => newId<string>());
    time.ms -= 86_400_000;
    ids.push(newId());
    time.ms += 86_400_000 + 60_000;
    ids.push(newId());
    expect(ids.every((id, n) => n === 0 || ids[n - 1]! < id)).toBe(true);
    expect(ids.at(-1)?.startsWith((1_700_000_060_000).toString(16).padStart(12, '0').slice(0, 8))).toBe(true);
  });
});

describe('the random pool', () => {
  test('fills all of every target, and gives no byte out twice', () => {
    const fill = createRandomPool();
    const seen = new Set<string>();
    for (let n = 0; n < 5_000; n++) {
      const target = Buffer.alloc(12);
      fill(target);
      seen.add(target.toString('hex'));
    }
    expect(seen.size).toBe(5_000);
    const large = Buffer.alloc(10_000);
    fill(large);
    expect(large.subarray(-64).some((byte) => byte !== 0)).toBe(true);
  });
});

describe('ids as blobs', () => {
  const text = '017f22e2-79b0-77ff-bfff-0123456789ab';

  test('come back as the same text, from a slice of a larger buffer as well', () => {
    const padded = Buffer.concat([Buffer.from([1]), uuidToBlob(text), Buffer.from([2])]);
    expect(blobToUuid(padded.subarray(1, 17))).toBe(text);
  });

  test.each(['', text.slice(1), `${text}0`, text.replace('7', 'g'), text.replaceAll('-', '')])(
    '%j is not an id',
    (bad) => {
      expect(() => uuidToBlob(bad)).toThrow(RangeError);
      expect(isUuidText(bad)).toBe(false);
    },
  );

  test('only 16 bytes are an id', () => {
    for (const length of [0, 15, 17]) expect(() => blobToUuid(Buffer.alloc(length))).toThrow(RangeError);
    expect(isUuidText(text.toUpperCase())).toBe(false);
  });
});
