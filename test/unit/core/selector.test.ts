import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseSelector, plainSelector } from '../../../src/core/selector.ts';

describe('usernames', () => {
  test.each([
    ['', plainSelector('default', null)],
    ['default', plainSelector('default', null)],
    ['web-eu', plainSelector('web-eu', null)],
    ['web-session-a', plainSelector('web', 'a')],
    ['web-sessid-a-b-c', plainSelector('web', 'a-b-c')],
    ['-session-a', plainSelector('default', 'a')],
    ['a-session', plainSelector('a-session', null)],
    ['web-session-a%2Eb', plainSelector('web', 'a.b')],
    ['web-session-country', plainSelector('web', 'country')],
  ])('%j', (username, selector) => {
    expect(parseSelector(username, null)).toEqual(selector);
  });

  test.each([
    'Web', 'web-', '-web', 'we b', 'web-session-', 'web-session-a-session-b', 'web-session-a-sessid-b', 'web-session-%', 'web-session-%00',
    'web-session-a:b', 'web-country-us', 'web-account-a', 'web-ttl-5', 'web-strict-true', 'w'.repeat(65), `web-session-${'a'.repeat(129)}`,
  ])('%j is refused', (username) => {
    expect(parseSelector(username, null)).toBe(null);
  }); // biome-ignore format: one list
});

describe('Proxy-Selector', () => {
  test.each([
    ['session=b', plainSelector('web', 'b')],
    ['pool=other', plainSelector('other', 'a')],
    [' Pool = other ;SESSID=b ', plainSelector('other', 'b')],
  ])('%j wins over the username', (header, selector) => {
    expect(parseSelector('web-session-a', header)).toEqual(selector);
  });

  test.each(['', ';', 'session', 'session=', 'x=y', 'session=a;session=b', 'pool=A'])('%j is refused', (header) => {
    expect(parseSelector('web', header)).toBe(null);
  });
});

test('whatever is asked, the result is of the grammar or nothing', () => {
  const text = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc
      .array(fc.constantFrom('-session-', '-country-', 'a', '%2d', '%', '-', ';', '=', 'pool', 'session'), {
        maxLength: 8,
      })
      .map((p) => p.join('')),
  );
  fc.assert(
    fc.property(text, fc.option(text), (username, header) => {
      const selector = parseSelector(username, header);
      if (selector === null) return;
      expect(selector.pool).toMatch(/^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?$/);
      if (selector.session !== null) expect(selector.session).toMatch(/^[A-Za-z0-9._~-]{1,128}$/);
    }),
    { numRuns: 1_000 },
  );
});
