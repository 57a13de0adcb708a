import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileTokenFormat } from '../../../src/core/token-format.ts';

test('a format is a character class and a length', () => {
  const format = compileTokenFormat('[A-Ca-c0-2_]{2,4}');
  expect(format).toMatchObject({ alphabet: '012ABC_abc', min: 2, max: 4 });
  expect(['ab', 'aB_2', 'a', 'abcab', 'a-b', 'ad', 'aé'].map((token) => format?.fits(token))).toEqual([
    ...[true, true, false, false, false, false, false],
  ]);
  expect(compileTokenFormat('[a-z-]{3}')?.fits('a-b')).toBe(true);
  expect(compileTokenFormat('[aab]{3}')?.alphabet).toBe('ab');
});

test.each(['[z-a]{2}', '[a-z]', 'a{2}', '[a-z]{0,4}', '[a-z]{5,4}', '[a-z]{1,999}', '[^a]{2}', '[]]{2}', '.*', ''])(
  '%s is none',
  (format) => expect(compileTokenFormat(format)).toBeNull(),
);

test('a range across digits and cases holds no mark that lies between them', () => {
  expect(compileTokenFormat('[0-z]{1}')?.alphabet).toBe(
    '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz',
  );
  for (const mark of ':;<=>?@[\\]^`') expect(compileTokenFormat('[0-z]{1}')?.fits(mark)).toBe(false);
});

test('what fits is what the same text means as a regular expression', () => {
  const member = fc.constantFrom('a-f', 'A-F', '0-9', '_', '~', '.', 'x', 'Z', '7');
  const format = fc
    .tuple(fc.array(member, { minLength: 1, maxLength: 5 }), fc.boolean(), fc.integer({ min: 1, max: 9 }), fc.nat(9))
    .map(([members, dash, min, more]) => `[${members.join('')}${dash ? '-' : ''}]{${min},${min + more}}`);
  const token = fc.string({ unit: fc.constantFrom(...'afFA09_~.-xZ7:@\r\né'), maxLength: 20 });
  fc.assert(
    fc.property(format, token, (text, candidate) => {
      expect(compileTokenFormat(text)?.fits(candidate)).toBe(new RegExp(`^${text}$`).test(candidate));
    }),
    { numRuns: 2_000 },
  );
});
