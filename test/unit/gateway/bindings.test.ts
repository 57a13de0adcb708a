import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileBinding, compileRanges } from '../../../gateway/bindings.ts';
import { parseAddress } from '../../../src/core/address.ts';
import { parseDestination } from '../../../src/core/destinations.ts';
import type { ClientRange, ListenerBinding } from '../../../src/core/entrance.ts';
import type { ApiKeyId } from '../../../src/core/model.ts';
import { plainSelector } from '../../../src/core/selector.ts';

const apiKeyId = '018f8c20-0000-7000-8000-00000000000a' as ApiKeyId;
const range = (text: string, selector = 'default'): ClientRange => ({ range: text, apiKeyId, selector });
const listener = (...from: string[]): ListenerBinding => ({ apiKeyId, selector: 'web-session-a', from });

describe('ranges', () => {
  test('the longest wins, whatever the order, and names itself', () => {
    const texts = ['10.0.0.0/8', '10.1.0.9', '0.0.0.0/0', '10.1.0.0/16', 'fd00::/8', 'fd00:1::/32'];
    for (const ranges of [texts, texts.toReversed()]) {
      const find = compileRanges(ranges.map((text) => range(text)))!;
      const rules = ['10.1.0.9', '10.1.0.8', '10.2.0.1', '192.0.2.1', 'fd00:1::1', 'fd12::1', '2001:db8::1'].map(
        (address) => find(address)?.rule ?? null,
      );
      expect(rules).toEqual([
        'range 10.1.0.9', 'range 10.1.0.0/16', 'range 10.0.0.0/8', 'range 0.0.0.0/0', 'range fd00:1::/32', 'range fd00::/8', null,
      ]); // biome-ignore format: one list
    }
  });

  test('an address is the same however the system spells it', () => {
    const find = compileRanges([range('127.0.0.0/8'), range('fe80::/10')])!;
    for (const address of ['127.0.0.9', '::ffff:127.0.0.9', '::ffff:7f00:9']) {
      expect(find(address)?.rule).toBe('range 127.0.0.0/8');
    }
    expect(find('fe80::1%eth0')?.rule).toBe('range fe80::/10');
    for (const address of ['', '128.0.0.1', 'a.test', '::ffff:128.0.0.1', 'ff80::1%eth0'])
      expect(find(address)).toBeNull();
  });

  test('none are no look-up at all', () => {
    expect(compileRanges([])).toBeNull();
  });

  test('answer as the slow way does', () => {
    const ipv4 = fc.ipV4();
    const network = fc.tuple(ipv4, fc.integer({ min: 0, max: 32 })).map(([address, prefix]) => {
      const bits = parseAddress(address)!.reduce((sum, byte) => sum * 256 + byte, 0);
      const size = 2 ** (32 - prefix);
      const base = bits - (bits % size);
      return {
        text: `${[24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join('.')}/${prefix}`,
        base,
        size,
      };
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(network, { selector: ({ text }) => text, maxLength: 12 }),
        ipv4,
        (networks, address) => {
          const bits = parseAddress(address)!.reduce((sum, byte) => sum * 256 + byte, 0);
          const smallest = networks
            .filter(({ base, size }) => bits >= base && bits < base + size)
            .toSorted((a, b) => a.size - b.size)[0];
          const find = compileRanges(networks.map(({ text }) => range(text))) ?? (() => null);
          expect(find(address)?.rule ?? null).toBe(smallest === undefined ? null : `range ${smallest.text}`);
          for (const { text } of networks) expect(typeof parseDestination(text)).toBe('object');
        },
      ),
    );
  });
});

describe("a listener's binding", () => {
  const ranges = compileRanges([range('127.0.0.0/8')]);

  test('is asked before the ranges, and holds for everybody who can connect', () => {
    const find = compileBinding(listener(), '127.0.0.1:3129', ranges)!;
    for (const address of ['127.0.0.1', '192.0.2.1', '::1', '']) {
      expect(find(address)).toMatchObject({ keyId: apiKeyId, rule: 'listener 127.0.0.1:3129' });
    }
    expect(find('127.0.0.1')!.selector).toEqual(plainSelector('web', 'a'));
  });

  test('holds only for whom it is meant; the ranges for the others', () => {
    const find = compileBinding(listener('127.0.0.8/29', 'fd00::/8'), '[::]:3129', ranges)!;
    const rules = ['127.0.0.9', '::ffff:127.0.0.9', 'fd00::1', '127.0.0.1', '10.0.0.1', ''].map(
      (a) => find(a)?.rule ?? null,
    );
    const own = 'listener [::]:3129';
    expect(rules).toEqual([own, own, own, 'range 127.0.0.0/8', null, null]);
    expect(compileBinding(listener('127.0.0.8/29'), 'x:1', null)!('127.0.0.1')).toBeNull();
  });

  test('is nothing where nothing is bound', () => {
    expect(compileBinding(null, '127.0.0.1:1', null)).toBeNull();
    expect(compileBinding(null, '127.0.0.1:1', ranges)).toBe(ranges);
  });
});

test('what the configuration would have refused is not compiled', () => {
  expect(() => compileRanges([range('10.0.0.1/8')])).toThrow('10.0.0.1/8');
  expect(() => compileRanges([range('a.test')])).toThrow('a.test');
  expect(() => compileRanges([range('10.0.0.0/8', 'A B')])).toThrow(
    'the selector bound to range 10.0.0.0/8 is not valid',
  );
});
