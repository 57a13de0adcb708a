import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CompiledFilter, keysOf, type LabelFilter, maskOf, SEPARATOR } from '../../../src/core/label-filter.ts';
import { LABEL_KEYS } from '../../../src/core/model.ts';

const value = fc.constantFrom('de', 'us', 'x', 'y');
const values = fc.uniqueArray(value, { minLength: 1, maxLength: 3 });
const filters = fc.record({ country: values, city: values, isp: values, type: values }, { requiredKeys: [] });
const labels = fc.record({ country: value, city: value, isp: value, type: value }, { requiredKeys: [] });
const masks = fc.nat(2 ** LABEL_KEYS.length - 1);

describe('a compiled filter', () => {
  it('is equal text and an equal object to the filter that it was made of', () => {
    const plain: LabelFilter = { country: ['de', 'us'], type: ['x'] };
    const filter = new CompiledFilter(plain);
    expect(filter).toEqual(plain);
    expect(JSON.stringify(filter)).toBe(JSON.stringify(plain));
    expect(CompiledFilter.of(filter)).toBe(filter);
  });

  it('names just the cells of the labels that fit, for each set of its keys', () => {
    fc.assert(
      fc.property(filters, labels, masks, (wanted, has, mask) => {
        const filter = new CompiledFilter(wanted);
        const keys = keysOf(mask & filter.mask);
        const fits = keys.every((key) => has[key] !== undefined && wanted[key]!.includes(has[key]));
        expect(filter.fits(has, maskOf(Object.fromEntries(keys.map((key) => [key, true]))))).toBe(fits);
        if (keys.length === 0) return;
        const cells = filter.cellsFor(mask & filter.mask)!;
        expect(new Set(cells).size).toBe(cells.length);
        expect(cells).toHaveLength(keys.reduce((count, key) => count * wanted[key]!.length, 1));
        if (keys.every((key) => has[key] !== undefined)) {
          expect(cells.includes(keys.map((key) => has[key]).join(SEPARATOR))).toBe(fits);
        }
      }),
    );
  });

  it('does not name more than a few hundred cells', () => {
    const many = Array.from({ length: 16 }, (_, i) => `v${i}`);
    const filter = new CompiledFilter({ country: many, city: many, isp: ['a', 'b'] });
    expect(filter.cellsFor(maskOf({ country: 1, city: 1 }))).toHaveLength(256);
    expect(filter.cellsFor(filter.mask)).toBeNull();
  });

  it('gives a sticky key of its own to each session key and provider, the same each time', () => {
    const filter = new CompiledFilter({ country: ['de'] });
    const keys = [
      filter.stickyKey('a', null),
      filter.stickyKey('b', null),
      filter.stickyKey('a', 'p'),
      new CompiledFilter({ country: ['us'] }).stickyKey('a', null),
    ];
    expect(new Set(keys).size).toBe(4);
    expect(filter.stickyKey('a', null)).toBe(keys[0]);
    expect(new CompiledFilter({ country: ['de'] }).stickyKey('a', 'p')).toBe(keys[2]);
  });
});
