/**
 * The blocks of the pages, pasted into a shell one after the other, as their readers do. What needs curl or bash
 * is left to `test/clients/pages.test.ts`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PageShell } from '../helpers/page-shell.ts';
import { PAGES, ROOT } from '../helpers/pages.ts';
import { AS_BUILT, Product } from '../helpers/product.ts';
import { shellPages, showsLines } from '../helpers/shell-blocks.ts';

const pages = shellPages()
  .map(({ page, blocks }) => ({ page, blocks: blocks.filter(({ account }) => account.by === 'flow') }))
  .filter(({ blocks }) => blocks.length > 0);

test('there are pages with commands', () => {
  expect(pages.map(({ page }) => page)).toContain('docs/operating.md');
});

describe.each(pages)('$page', ({ blocks }) => {
  const reader = new PageShell(AS_BUILT);
  beforeAll(() => reader.open());
  afterAll(() => reader.close());

  test.each(blocks)('$fence.line: $fence.heading', async (block) => {
    const output = await reader.paste(block);
    if (block.output !== null && !showsLines(output, block.output)) expect(output).toBe(block.output.join('\n'));
  });
});

test('metrics that pages name are exposed', async () => {
  const product = new Product();
  try {
    await product.start();
    const exposed = new Set([...(await product.metrics()).matchAll(/^# HELP (\w+) /gm)].map(([, name]) => name));
    const texts = PAGES.map((page) => readFileSync(join(ROOT, page), 'utf8'));
    const named = texts.flatMap((text) => [...text.matchAll(/\bsallyport_[a-z_]*[a-z]\b/g)].map(([name]) => name));
    const families = new Set(named.map((name) => name.replace(/_(?:count|sum|bucket)$/, '')));
    expect(families.size).toBeGreaterThan(5);
    expect([...families].filter((name) => !exposed.has(name))).toEqual([]);
  } finally {
    await product.destroy();
  }
});
