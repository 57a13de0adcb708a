/** The bad-input catalogue, part B: lengths, codings, bodies, lines and octets. */
import { BODIES } from './catalogue/b-bodies.ts';
import { FRAMING } from './catalogue/b-framing.ts';
import { LINES } from './catalogue/b-lines.ts';
import { MESSAGES } from './catalogue/b-messages.ts';
import { runCases } from './catalogue/run-cases.ts';

runCases([...FRAMING, ...MESSAGES, ...LINES, ...BODIES]);
