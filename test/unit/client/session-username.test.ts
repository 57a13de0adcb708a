import fc from 'fast-check';
import { expect, test } from 'vitest';
import { usernameFor } from '../../../client/session-username.ts';
import { isSelectorFault, parseSelector } from '../../../src/core/selector.ts';

test('it asks for that very token, whatever is in it', () => {
  const token = fc.stringMatching(/^[A-Za-z0-9._~-]{1,128}$/);
  fc.assert(
    fc.property(fc.oneof(token, fc.constant('a-ttl-5-strict-false')), (wanted) => {
      const selector = parseSelector(usernameFor('web', wanted)!, null);
      expect(isSelectorFault(selector)).toBe(false);
      expect(selector).toMatchObject({ pool: 'web', session: wanted, strict: true });
    }),
  );
});

test('there is none for a token that the username language has no word for', () => {
  for (const token of ['anna@203.0.113.7:8080', 'a b', 'ä', 'x'.repeat(129)]) {
    expect([token, usernameFor('web', token)]).toEqual([token, null]);
  }
});
