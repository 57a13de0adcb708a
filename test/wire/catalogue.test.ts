/**
 * The bad-input catalogue, parts K and A: CONNECT, and who is asking. And that no row of any part is forgotten;
 * parts B and T run beside, in `catalogue-framing.test.ts` and `catalogue-targets.test.ts`.
 */
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { IDENTITY, IDENTITY_ELSEWHERE } from './catalogue/a-identity.ts';
import { BODIES } from './catalogue/b-bodies.ts';
import { FRAMING } from './catalogue/b-framing.ts';
import { LINES } from './catalogue/b-lines.ts';
import { MESSAGES, MESSAGES_ELSEWHERE } from './catalogue/b-messages.ts';
import { IDS } from './catalogue/ids.ts';
import { CONNECT, CONNECT_ELSEWHERE } from './catalogue/k-connect.ts';
import { runCases } from './catalogue/run-cases.ts';
import { HOSTS } from './catalogue/t-host.ts';
import { REQUEST_LINE, REQUEST_LINE_ELSEWHERE } from './catalogue/t-request-line.ts';

const CASES = [...FRAMING, ...MESSAGES, ...LINES, ...BODIES, ...REQUEST_LINE, ...HOSTS, ...CONNECT, ...IDENTITY];
const ELSEWHERE = [...MESSAGES_ELSEWHERE, ...REQUEST_LINE_ELSEWHERE, ...CONNECT_ELSEWHERE, ...IDENTITY_ELSEWHERE];

runCases([...CONNECT, ...IDENTITY]);

describe('the catalogue is whole', () => {
  test('every numbered row has a case, or a test of its own', () => {
    const told = new Set([...CASES, ...ELSEWHERE].map(({ id }) => id));
    expect(IDS.filter((id) => !told.has(id))).toEqual([]);
  });

  test.each(ELSEWHERE)('$id has the test $title', async ({ file, title }) => {
    expect(await readFile(new URL(`../../${file}`, import.meta.url), 'utf8')).toContain(title);
  });

  test('no two cases are the same', () => {
    const seen = CASES.map(({ octets, reply = '' }) => octets + reply);
    expect(seen.filter((octets, i) => seen.indexOf(octets) !== i)).toEqual([]);
  });
});
