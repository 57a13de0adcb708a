/** That what the pages say is there: what they link to, the commands, scripts and settings that they name, and who runs what they show. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { causesPage } from '../../scripts/write-causes.ts';
import { CAUSES, type CauseRow } from '../../src/core/cause.ts';
import { ALL_SETTINGS, environmentName } from '../../src/settings.ts';
import { commandLinesIn, faultOfCommand } from '../helpers/documented-commands.ts';
import { anchorsOf, codeIn, faultOfLink, linksIn, PAGES, ROOT, readPage } from '../helpers/pages.ts';
import { accountOf, ELSEWHERE, programsOf, showsLines } from '../helpers/shell-blocks.ts';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const pages = PAGES.map((page) => ({ page, ...readPage(page) }));
const fences = pages.flatMap((each) => each.fences);
/** What is no setting, and read from the environment all the same: by commands, and by the tests themselves. */
const OTHER_VARIABLES = [
  'SALLYPORT_CONFIG',
  'SALLYPORT_URL',
  'SALLYPORT_API_KEY',
  'SALLYPORT_GATEWAY_URL',
  'SALLYPORT_WORKSPACE',
  'SALLYPORT_TEST_FULL',
];

test('the pages that everybody looks for are there', () => {
  const wanted = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md', 'bench/README.md'];
  const docs = ['api', 'architecture', 'causes', 'clients', 'gateway', 'migrating', 'operating', 'security'];
  expect(PAGES).toEqual(expect.arrayContaining([...wanted, ...docs.map((name) => `docs/${name}.md`)]));
});

describe('links', () => {
  test('lead to a file and to a heading in it, or to https', () => {
    const links = pages.flatMap(({ page, prose }) => linksIn(prose).map((link) => ({ page, link })));
    expect(links.length).toBeGreaterThan(100);
    const faults = links.map(({ page, link }) => ({ page, link, fault: faultOfLink(page, link) }));
    expect(faults.filter(({ fault }) => fault !== null)).toEqual([]);
  });

  test.each([
    ['README.md', 'docs/none.md', 'there is no such file'],
    ['docs/api.md', 'causes.md#none', 'that page has no such heading'],
    ['docs/api.md', '../../else', 'it leaves the project'],
    ['README.md', 'http://example.com/', 'it is no https URL'],
    ['README.md', 'mailto:somebody', 'it is no https URL'],
    ['README.md', 'https://example.com/', null],
    ['docs/api.md', 'causes.md#what-to-do', null],
  ])('of %s to %s: %s', (page, link, fault) => expect(faultOfLink(page, link)).toBe(fault));

  test('are found in the text and in definitions, and not in code', () => {
    const prose = 'See [a](b.md) and [c](d.md#e), not `x[0](f.md)`.\n[g]: h.md\n';
    expect(linksIn(prose)).toEqual(['b.md', 'd.md#e', 'h.md']);
  });

  test('headings have the anchors that GitHub gives them', () => {
    const headings = ['How? `a-b_c`: 1.2', 'Twice', 'Twice', 'See [the page](x.md)', 'Über–all'];
    expect([...anchorsOf(headings)]).toEqual(['how-a-b_c-12', 'twice', 'twice-1', 'see-the-page', 'überall']);
  });
});

describe('blocks', () => {
  test('are run by somebody, or read and not run for a reason', () => {
    const unread = fences.filter(({ language }) => language !== '' && language !== 'text');
    expect(unread.filter((fence) => accountOf(fence) === null).map(({ page, line }) => `${page}:${line}`)).toEqual([]);
  });

  test('of output stand below the commands that print it', () => {
    const lost = fences.filter(({ page, language }, i) => {
      const before = fences[i - 1];
      return (
        language === 'text' && (before?.page !== page || !['flow', 'clients'].includes(accountOf(before)?.by ?? ''))
      );
    });
    expect(lost).toEqual([]);
  });

  test.each(ELSEWHERE)('of $pages are run by $by', ({ pages: of, languages, by }) => {
    expect(existsSync(join(ROOT, by))).toBe(true);
    for (const language of languages) {
      expect(fences.some((fence) => of.includes(fence.page) && fence.language === language)).toBe(true);
    }
  });

  test('that .ci/first-run plays are the first of the README', () => {
    const [first] = fences.filter(({ page }) => page === 'README.md');
    expect(accountOf(first!)).toMatchObject({ by: 'nobody' });
    expect(read('README.md')).toContain(
      `<!-- first-run:begin -->\n\`\`\`sh\n${first!.text}\`\`\`\n<!-- first-run:end -->`,
    );
  });

  test.each([
    ['README.md', 'sh', 'sallyport status', { by: 'flow' }],
    ['README.md', 'sh', 'anything else', { by: 'flow' }],
    ['README.md', 'sh', 'curl -sS "$(sallyport env)"', { by: 'clients', programs: ['curl'] }],
    ['README.md', 'bash', 'source <(sallyport completion bash)', { by: 'clients', programs: ['bash'] }],
    ['README.md', 'sh', 'sallyport status\nsudo true', { by: 'nobody', reason: 'root' }],
    ['docs/api.md', 'sh', 'curl x', { by: 'elsewhere', test: 'test/clients/api-page.test.ts' }],
    ['README.md', 'console', '$ sallyport status', null],
    ['README.md', 'yaml', 'a: b', null],
  ])('of %s in %s, %j: %j', (page, language, text, account) => {
    expect(accountOf({ page, heading: '', line: 1, language, text })).toEqual(account);
  });

  test.each([
    ['a 1\nb 2\nc\n', ['b 2', 'c'], true],
    ['TOKEN  ID\nexit-1  9f  \n', ['exit-1 …'], true],
    ['2 sessions added\n', ['2 sessions'], false],
    ['c\nb\n', ['b', 'c'], false],
    ['axb\n', ['a.b'], false],
  ])('%j show lines %j: %j', (output, lines, shown) => expect(showsLines(output, lines)).toBe(shown));

  test.each([
    ['sudo install x /usr/bin', ['sudo']],
    ['A=1 curl -sS "$(sallyport env x)" | head -1 # docker', ['curl', 'sallyport', 'head']],
    ["cat > f <<'EOF'\ndocker run\nEOF\nsallyport status 2>&1", ['cat', 'sallyport']],
    ["printf '%s' 'docker; sudo' \\\n  && git clone x", ['printf', 'git']],
  ])('start programs: %j', (script, programs) => expect(programsOf(script)).toEqual(programs));
});

describe('commands', () => {
  const inProse = pages.flatMap(({ page, prose }) =>
    codeIn(prose)
      .filter((code) => /^(?:sallyport |eval |source <\()/.test(code))
      .flatMap((code) => commandLinesIn(code).map((words) => ({ page, words, isWhole: false }))),
  );
  const inBlocks = fences
    .filter(({ language }) => language === 'sh' || language === 'bash')
    .flatMap(({ page, text }) => commandLinesIn(text).map((words) => ({ page, words, isWhole: true })));

  test('and their flags are there', () => {
    expect([inProse.length > 50, inBlocks.length > 15]).toEqual([true, true]);
    const faults = [...inProse, ...inBlocks].map(({ page, words, isWhole }) => ({
      command: `${page}: ${words.join(' ')}`,
      fault: faultOfCommand(words, isWhole),
    }));
    expect(faults.filter(({ fault }) => fault !== null)).toEqual([]);
  });

  test.each([
    ['sallyport pool frobnicate', 'there is no command frobnicate'],
    ['sallyport pool create a --none', 'it takes no --none'],
    ['sallyport pool create', 'an argument is missing'],
    ['sallyport pool create a b', 'it has too many arguments'],
    ['sallyport tail -n', '-n wants a value'],
    ['sallyport serve --none 1', 'there is no setting --none'],
    ['sallyport serve --master-key x', 'there is no setting --master-key'],
    ['X=1 sallyport frobnicate', 'there is no command frobnicate'],
    ['eval "$(sallyport frobnicate)"', 'there is no command frobnicate'],
    ['npm run -s sallyport -- frobnicate', 'there is no command frobnicate'],
    ['journalctl -u sallyport -o cat', null],
    ['sallyport restore a.db --data-dir x && sallyport status | head', null],
    ['sallyport pool create a --deny ":25, x" > file', null],
  ])('%s: %s', (line, fault) => {
    const faults = commandLinesIn(line).map((words) => faultOfCommand(words, true));
    expect(faults.find((each) => each !== null) ?? null).toBe(fault);
  });

  test('of npm are scripts of the package', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = PAGES.flatMap((page) => [
      ...read(page).matchAll(/\bnpm (?:run (?:-s )?)?(start|test|(?<=run (?:-s )?)[\w:-]+)/g),
    ]);
    expect(named.length).toBeGreaterThan(20);
    expect(named.map(([, script]) => script).filter((script) => !(script! in scripts))).toEqual([]);
  });
});

test('files and folders that pages name are there', () => {
  // Decision records speak of the day that they were made.
  const named = pages
    .filter(({ page }) => !page.startsWith('docs/decisions/'))
    .flatMap(({ page, prose }) => codeIn(prose).map((code) => ({ page, path: pathIn(code) })))
    .filter(({ path }) => path !== null);
  expect(named.length).toBeGreaterThan(50);
  const lost = named.filter(
    ({ page, path }) => !existsSync(join(ROOT, path!)) && !existsSync(join(ROOT, dirname(page), path!)),
  );
  expect(lost).toEqual([]);
});

/** The path from the root that a code is; null for any other. */
function pathIn(code: string): string | null {
  return /^(?:src|test|docs|control|gateway|client|bench|scripts|deploy)\/[\w./-]+$/.exec(code)?.[0] ?? null;
}

test('variables that pages name are those of settings and commands', () => {
  const known = new Set([...[...ALL_SETTINGS.keys()].map(environmentName), ...OTHER_VARIABLES]);
  const named = PAGES.flatMap((page) => [...read(page).matchAll(/\bSALLYPORT_[A-Z0-9_]*[A-Z0-9]\b/g)]);
  expect(named.map(([name]) => name).filter((name) => !known.has(name))).toEqual([]);
});

describe('causes', () => {
  const sections = new Map(
    causesPage()
      .split('\n### ')
      .slice(1)
      .map((section) => [section.slice(1, section.indexOf('`\n')), section.trim().split('\n\n')] as const),
  );

  test('have a paragraph each, in the order of the catalogue', () => {
    expect([...sections.keys()]).toEqual(Object.keys(CAUSES));
  });

  test.each(Object.entries<CauseRow>(CAUSES))('%s: what is seen, what it means, what to do', (cause, row) => {
    const [, seen = '', text = '', ...more] = sections.get(cause)!;
    expect(more).toEqual([]);
    expect(seen).toContain(row.sentence);
    expect(seen).toContain(row.status === 0 ? 'cut' : `\`${row.status} ${cause}\``);
    expect(text.split(/[.:;] /).length).toBeGreaterThan(1);
    // Whoever runs this has a command, a setting or a page to go on with.
    if (row.fault === 'operator' || row.fault === 'policy' || row.fault === 'gateway') {
      expect(text).toMatch(/`sallyport [a-z]|`SALLYPORT_|\]\([\w-]+\.md/);
    }
  });
});
