/** The bad-input catalogue, part T: request lines, targets, Host and the bounds of a head. */
import { runCases } from './catalogue/run-cases.ts';
import { HOSTS } from './catalogue/t-host.ts';
import { REQUEST_LINE } from './catalogue/t-request-line.ts';

runCases([...REQUEST_LINE, ...HOSTS]);
