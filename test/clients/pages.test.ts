/**
 * All blocks of the pages that have one with curl or bash in it, pasted into a shell one after the other. From source,
 * as `strict-project.test.ts` builds anew meanwhile.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findProgram } from '../../bench/lib/stage.ts';
import { PageShell } from '../helpers/page-shell.ts';
import { FROM_SOURCE } from '../helpers/product.ts';
import { type ShellBlock, shellPages, showsLines } from '../helpers/shell-blocks.ts';

const pages = shellPages().filter(({ blocks }) => blocks.some(({ account }) => account.by === 'clients'));

function missingFor({ account }: ShellBlock): string | null {
  if (account.by !== 'clients') return null;
  return account.programs.find((program) => findProgram(program) === null) ?? null;
}

describe.each(pages)('$page', ({ blocks }) => {
  const reader = new PageShell(FROM_SOURCE);
  beforeAll(() => reader.open());
  afterAll(() => reader.close());

  for (const block of blocks) {
    const lacks = missingFor(block);
    const { line, heading } = block.fence;
    const title = `${line}: ${heading}${lacks === null ? '' : `: ${lacks} is not installed: skipped`}`;
    test.skipIf(lacks !== null)(title, async () => {
      const output = await reader.paste(block);
      if (block.output !== null && !showsLines(output, block.output)) expect(output).toBe(block.output.join('\n'));
    });
  }
});
