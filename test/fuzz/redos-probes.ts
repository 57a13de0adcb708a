/**
 * Inputs for finding parsers that take more than linear time: a run of one unit as long as
 * an input may be, within something that is valid, with an end that makes it all be for nothing.
 */
import { MAX_INPUT } from './parser-inputs.ts';
import type { ParserTarget } from './parser-targets.ts';
import type { Random } from './random.ts';

/** What runs of are ambiguous to some expression somewhere. */
const UNITS = [
  ' ', '\t', ' \t', 'a', 'A', '0', '1', '9', '-', '_', '.', ',', ';', ':', '=', '%', '"', '\\', '/', '[', ']', '{', '}', '|', '(', '\r',
  '\n', '\r\n', '\r\n\r\n', '\0', '\xff', 'a.', '.a', '1.', '0x', '0.', 'a,', ', ', ' ,', ';a=b', '; ', '-a', 'a-', '%41', '%zz', '::',
  ':0', 'a:', '{a}', '[a]', '[{', '{a}[', '[a|', 'a: b\r\n', 'X:\r\n', 'Connection: a\r\n', 'Connection: a,\r\n', 'Via: 1.1 a,\r\n',
  'Max-Forwards: \t\r\n', '1\r\na\r\n', '0;', '0;\r\n', '\x05', '\x01', '\0\0',
]; // biome-ignore format: one list

const ENDS = ['', '\x01', '!', '\r\n\r\n', ']', '\r', ' x', '%', '\r\nA: b\r\n\r\n'];

/** So many probes of a parser: every unit and word alone at least, the rest by chance. */
export function* probesOf({ seeds, words }: ParserTarget, random: Random, count: number): Generator<Buffer> {
  const units = [...UNITS, ...words.filter((word) => word !== '')];
  for (let i = 0; i < Math.max(count, units.length); i++) {
    const unit = i < units.length ? units[i]! : random.pick(units);
    const seed = i < units.length ? '' : random.pick(seeds);
    const at = random.below(seed.length + 1);
    const end = random.pick(ENDS) + (random.oneIn(2) ? seed.slice(at) : '');
    const room = MAX_INPUT - at - end.length;
    yield Buffer.from(seed.slice(0, at) + unit.repeat(Math.floor(room / unit.length)) + end, 'latin1');
  }
}
