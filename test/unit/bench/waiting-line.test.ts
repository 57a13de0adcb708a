import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WaitingLine } from '../../../bench/load/waiting-line.ts';

test('a line is left in the order in which it was joined, however long it is', () => {
  const step = fc.oneof(fc.record({ join: fc.nat(3_000) }), fc.record({ leave: fc.nat(3_000) }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const line = new WaitingLine();
      const model: number[] = [];
      let next = 0;
      for (const act of steps) {
        if ('join' in act) {
          for (let n = 0; n < act.join; n++) {
            model.push(next);
            line.push(next++);
          }
        } else for (let n = 0; n < act.leave; n++) expect(line.shift()).toBe(model.shift());
        expect(line.length).toBe(model.length);
      }
    }),
    { numRuns: 50 },
  );
});
