/** Inputs for the parsers: input n of a seed goes to parser n modulo their number, and is the same for ever. */
import { mutate } from './mutators.ts';
import { PARSERS, type ParserTarget } from './parser-targets.ts';
import { Random } from './random.ts';

/** S13, S14: what a parser gets at most. */
export const MAX_INPUT = 16_384;

const TARGETS = Object.entries(PARSERS);

export interface ParserInput {
  readonly target: ParserTarget;
  readonly octets: Buffer;
  /** Goes on where the input was made: where it is cut, which variant of the parser is asked. */
  readonly random: Random;
}

/** Which parser input n is for. */
export function parserOf(n: number): string {
  return TARGETS[n % TARGETS.length]![0];
}

export function parserInput(seed: number, n: number): ParserInput {
  const [, target] = TARGETS[n % TARGETS.length]!;
  const random = new Random(seed, n);
  const other = () => random.pick(target.seeds);
  let text = mutate(random, other(), other);
  // Words of the parser's own language, and now and then nothing but noise.
  for (let i = random.below(3); i > 0; i--) {
    const at = random.below(text.length + 1);
    text = text.slice(0, at) + random.pick(target.words) + text.slice(random.oneIn(2) ? at : at + 1);
  }
  if (random.oneIn(50)) text = noise(random, random.below(300));
  return { target, octets: Buffer.from(text.slice(0, MAX_INPUT), 'latin1'), random };
}

function noise(random: Random, length: number): string {
  return String.fromCharCode(...Array.from({ length }, () => random.below(256)));
}
