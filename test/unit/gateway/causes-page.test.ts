import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { causesPage } from '../../../scripts/write-causes.ts';
import { CAUSES } from '../../../src/core/cause.ts';

test('docs/causes.md says what the catalogue says', () => {
  expect(readFileSync(new URL('../../../docs/causes.md', import.meta.url), 'utf8')).toBe(causesPage());
});

test('every cause has a row, a sentence that fits an answer, and a status of HTTP or none', () => {
  for (const [cause, { status, sentence }] of Object.entries(CAUSES)) {
    expect(causesPage()).toContain(`\n| \`${cause}\` | `);
    expect(sentence.length + 1).toBeLessThanOrEqual(256);
    expect(status === 0 || (status >= 400 && status < 600)).toBe(true);
  }
});
