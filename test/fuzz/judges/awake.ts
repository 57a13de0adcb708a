/** A judge that agrees with everything is none: each is shown expectations that are wrong, and has to say so. */
import type { Meaning } from '../meaning.ts';
import type { Judge } from './judge.ts';

/** Ways to be wrong about the request of `sample`. */
const FALSIFICATIONS: Readonly<Record<string, (truth: Meaning) => Meaning>> = {
  method: (truth) => ({ ...truth, method: 'PUT' }),
  target: (truth) => ({ ...truth, target: 'http://a.test/other' }),
  'a value': (truth) => ({
    ...truth,
    fields: truth.fields.map(([name, value]) => [name, value === 'b' ? 'c' : value]),
  }),
  'one field more': (truth) => ({ ...truth, fields: [...truth.fields, ['X-More', '1']] }),
  'one field less': (truth) => ({ ...truth, fields: truth.fields.filter(([name]) => name !== 'X-A') }),
  body: (truth) => ({ ...truth, body: 'hell' }),
};

/** A request that differs in its path from every other sample, so that none is known from before. */
function sample(n: number): { octets: string; truth: Meaning } {
  const target = `http://a.test/sample/${n}`;
  const octets = `POST ${target} HTTP/1.1\r\nHost: a.test\r\nX-A: b\r\nX-B: d\r\nContent-Length: 5\r\n\r\nhello`;
  const fields = [
    ['Host', 'a.test'],
    ['X-A', 'b'],
    ['X-B', 'd'],
    ['Content-Length', '5'],
  ] as const;
  return { octets, truth: { method: 'POST', target, fields, body: 'hello' } };
}

/** What each judge fails to notice, as `judge: what`; and `judge: the truth` of one that denies it. */
export async function blindSpots(judges: readonly Judge[]): Promise<string[]> {
  const spots: string[] = [];
  let n = 0;
  for (const judge of judges) {
    const says = async (falsify: (truth: Meaning) => Meaning): Promise<boolean> => {
      const { octets, truth } = sample(n++);
      const expected = { requests: [falsify(truth)], tail: 'nothing' } as const;
      return (await judge.judge([{ input: 0, octets, expected }])).length === 0;
    };
    if (!(await says((truth) => truth))) spots.push(`${judge.name}: the truth`);
    for (const [what, falsify] of Object.entries(FALSIFICATIONS)) {
      if (await says(falsify)) spots.push(`${judge.name}: ${what}`);
    }
  }
  return spots;
}
