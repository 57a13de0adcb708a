import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fillTemplate } from '../../../src/core/template.ts';

describe('filling a template', () => {
  it.each([
    ['{a}-{b}', { a: '1', b: '2' }, '1-2'],
    ['{a}-{b}', { a: '1' }, '1-'],
    ['u[-country-{country}]-s-{token}', { token: 't' }, 'u-s-t'],
    ['u[-country-{country}]-s-{token}', { token: 't', country: 'us' }, 'u-country-us-s-t'],
    ['u[-{a}-{b}]', { a: '1' }, 'u'],
    ['u[-{a}-{b}]', { a: '1', b: '' }, 'u'],
    ['u-[{country}|any]', {}, 'u-any'],
    ['u-[{country}|any]', { country: 'de' }, 'u-de'],
    ['a|b-{token}', { token: 't' }, 'a|b-t'],
    ['{Token}{}', { Token: 'x' }, '{Token}{}'],
    ['{constructor}', {}, ''],
  ])('%s with %j is %s', (template, values, filled) => {
    expect(fillTemplate(template, values)).toBe(filled);
  });

  it('never reads a value as a part of the template', () => {
    const hostile = fc.string({ unit: fc.constantFrom(...'{}[]|-$&tokencountry'), minLength: 1 });
    fc.assert(
      fc.property(hostile, hostile, (token, country) => {
        expect(fillTemplate('u[-c-{country}]-s-{token}', { token, country })).toBe(`u-c-${country}-s-${token}`);
      }),
    );
  });
});
