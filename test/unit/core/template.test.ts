import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileTemplate, fillTemplate } from '../../../src/core/template.ts';

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

  it('is read once for any number of values, and names its placeholders', () => {
    const template = compileTemplate('u-[{country}|any][-c-{city}]-{token}');
    expect([...template.placeholders]).toEqual(['country', 'city', 'token']);
    expect(template.fill({ token: 'a', city: 'x' })).toBe('u-any-c-x-a');
    expect(template.fill({ token: 'b', country: 'us' })).toBe('u-us-b');
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
