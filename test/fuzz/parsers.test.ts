/**
 * Every parser of ours under mutated inputs: none throws, hangs or takes long, and what it
 * answers holds its own rules. `npm run fuzz -- --parsers` goes on for as long as one likes.
 */
import { describe, expect, test } from 'vitest';
import { full } from '../helpers/full.ts';
import { MAX_INPUT, parserInput } from './parser-inputs.ts';
import { runParsers } from './parser-run.ts';
import { PARSERS, type ParserTarget, timeAlone } from './parser-targets.ts';
import { MAX_MS } from './parser-worker.ts';
import { Random } from './random.ts';
import { probesOf } from './redos-probes.ts';
import { readSlowInputs } from './regressions/replay.ts';

const COUNT = full ? 2_000_000 : 200_000;
/** Probes of each parser. */
const PROBES = full ? 4_000 : 150;
const SEED = 20_261_124;

test(`${COUNT} inputs: nothing throws, hangs or breaks a rule (S13)`, { timeout: 300_000 }, async () => {
  const { inputs, findings } = await runParsers({ seed: SEED, from: 0, count: COUNT, workers: 2 });
  expect(findings).toEqual([]);
  const share = Math.floor(COUNT / Object.keys(PARSERS).length);
  for (const parser of Object.keys(PARSERS)) expect(inputs[parser]).toBeGreaterThanOrEqual(share);
});

test('an input is the same whenever it is made', () => {
  for (let n = 0; n < 100; n++) expect(parserInput(SEED, n).octets).toEqual(parserInput(SEED, n).octets);
});

/** Best of six, in ms, once it took too long: slow once is the machine, slow every time is the parser. */
function timeOf(target: ParserTarget, octets: Buffer): number {
  let best = Number.POSITIVE_INFINITY;
  for (let tries = 0; best > MAX_MS && tries < 6; tries++) {
    best = Math.min(best, timeAlone(target, octets, new Random(SEED, octets.length)));
  }
  return best;
}

describe('16 KiB of what regular expressions fear take 5 ms at most (S14)', () => {
  test.each(Object.keys(PARSERS))('%s', { timeout: 120_000 }, (name) => {
    const target = PARSERS[name]!;
    const slow: string[] = [];
    for (const octets of probesOf(target, new Random(SEED, 0), PROBES)) {
      const ms = timeOf(target, octets);
      if (ms > MAX_MS) slow.push(`${ms.toFixed(1)} ms: ${JSON.stringify(octets.toString('latin1', 0, 60))}`);
    }
    expect(slow).toEqual([]);
  });

  test.each(readSlowInputs())('$parser of $before$unit… ($class)', ({ parser, before, unit, after }) => {
    const room = MAX_INPUT - before.length - after.length;
    const octets = Buffer.from(before + unit.repeat(Math.floor(room / unit.length)) + after, 'latin1');
    expect(timeOf(PARSERS[parser]!, octets)).toBeLessThan(MAX_MS);
  });
});
