/**
 * The project's pages as their readers see them: headings with their anchors, links, fenced blocks,
 * and what stands in backticks. Read by the tests that hold the pages to the code.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

/** Every page, as a path from the root. */
export const PAGES: readonly string[] = globSync('{*.md,docs/**/*.md,bench/**/*.md,deploy/**/*.md,test/fuzz/*.md}', {
  cwd: ROOT,
}).sort();

/** A fenced block: what stands behind its fence, and what is in it. */
export interface Fence {
  readonly page: string;
  /** The last heading before it. */
  readonly heading: string;
  /** Of its first fence; from 1. */
  readonly line: number;
  /** The whole info string; empty for none. */
  readonly language: string;
  readonly text: string;
}

/** A page taken apart. */
export interface Page {
  readonly fences: readonly Fence[];
  /** What it says outside of its blocks. */
  readonly prose: string;
  readonly headings: readonly string[];
}

/** Takes a page apart; throws for a block that does not end. */
export function readPage(page: string): Page {
  const fences: Fence[] = [];
  const prose: string[] = [];
  const headings: string[] = [];
  let open: { indent: string; marks: string; language: string; line: number; text: string[] } | null = null;
  for (const [i, line] of readFileSync(join(ROOT, page), 'utf8').split('\n').entries()) {
    const [, indent = '', marks = '', language = ''] = /^( *)(`{3,})(.*)$/.exec(line) ?? [];
    if (open !== null) {
      if (marks.length < open.marks.length || language !== '') open.text.push(line.replace(open.indent, ''));
      else {
        const { language: kind, line: at, text } = open;
        fences.push({ page, heading: headings.at(-1) ?? '', line: at, language: kind, text: `${text.join('\n')}\n` });
        open = null;
      }
    } else if (marks !== '') open = { indent, marks, language: language.trim(), line: i + 1, text: [] };
    else {
      prose.push(line);
      const heading = /^#{1,6} (.+)$/.exec(line)?.[1];
      if (heading !== undefined) headings.push(heading);
    }
  }
  if (open !== null) throw new Error(`${page}:${open.line}: the block does not end`);
  return { fences, prose: prose.join('\n'), headings };
}

/** What stands in single backticks, in order. */
export function codeIn(prose: string): string[] {
  return [...prose.matchAll(/(?<!`)`([^`\n]+)`(?!`)/g)].map(([, code = '']) => code);
}

/** Where the links of a page lead; code has brackets of its own. */
export function linksIn(prose: string): string[] {
  const links = prose.replaceAll(/`[^`\n]*`/g, '').matchAll(/\]\(([^)\s]+)\)|^\[[^\]\n]+\]: *(\S+)/gm);
  return [...links].map(([, inline, defined]) => inline ?? defined ?? '');
}

/** The anchors that a page's headings get on GitHub; one that comes again has a number behind it. */
export function anchorsOf(headings: readonly string[]): Set<string> {
  const anchors = new Set<string>();
  for (const heading of headings) {
    const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = text.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-');
    let unique = anchor;
    for (let n = 1; anchors.has(unique); n++) unique = `${anchor}-${n}`;
    anchors.add(unique);
  }
  return anchors;
}

/** Why a link of a page leads nowhere; null for a good one. Nothing outside of the project is asked. */
export function faultOfLink(page: string, link: string): string | null {
  if (/^[a-z][a-z0-9+.-]*:/i.test(link)) return isOutside(link) ? null : 'it is no https URL';
  const [path = '', anchor] = link.split('#');
  const file = path === '' ? page : join(dirname(page), path);
  if (file.startsWith('..')) return 'it leaves the project';
  if (!existsSync(join(ROOT, file))) return 'there is no such file';
  if (anchor === undefined) return null;
  return anchorsOf(readPage(file).headings).has(anchor) ? null : 'that page has no such heading';
}

function isOutside(link: string): boolean {
  return URL.canParse(link) && new URL(link).protocol === 'https:';
}
