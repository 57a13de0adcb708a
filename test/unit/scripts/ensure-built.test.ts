/** When `npm start` builds, in a project of its own whose bundler only counts. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../../scripts/ensure-built.js', import.meta.url));
const COUNTS = `import { appendFileSync, mkdirSync } from 'node:fs';
mkdirSync('dist/server', { recursive: true });
appendFileSync('count', '.');
console.log('said by the bundler');`;

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sallyport-ensure-'));
  for (const folder of ['src/core', 'control', 'gateway', 'client', 'console', 'scripts'])
    mkdirSync(join(root, folder), { recursive: true });
  const files = ['src/core/a.ts', 'control/b.ts', 'gateway/c.ts', 'scripts/third-party.ts'];
  for (const file of [...files, 'package-lock.json', 'tsconfig.json']) writeFileSync(join(root, file), '{}');
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(root, 'scripts/bundle.ts'), COUNTS);
  writeFileSync(join(root, 'scripts/bundle-console.ts'), '');
  cpSync(SCRIPT, join(root, 'scripts/ensure-built.js'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const ensure = () => spawnSync(process.execPath, [join(root, 'scripts/ensure-built.js')], { encoding: 'utf8' });
const builds = () => readFileSync(join(root, 'count'), 'utf8').length;

it('builds once, and leaves standard output to the server', () => {
  const first = ensure();
  expect([first.status, first.stdout, first.stderr]).toEqual([0, '', 'said by the bundler\n']);
  expect(ensure().status).toBe(0);
  expect(builds()).toBe(1);
});

it.each<[string, () => void]>([
  ['an edited file', () => writeFileSync(join(root, 'src/core/a.ts'), '{ }')],
  ['one that came back older', () => utimesSync(join(root, 'control/b.ts'), 1_000, 1_000)],
  ['a new file', () => writeFileSync(join(root, 'gateway/d.ts'), '')],
  ['a page of the console', () => writeFileSync(join(root, 'console/page.tsx'), '')],
  ['a file that is gone', () => rmSync(join(root, 'gateway/c.ts'))],
  ['a file under another name', () => renameSync(join(root, 'gateway/c.ts'), join(root, 'gateway/e.ts'))],
  ['other packages', () => writeFileSync(join(root, 'package-lock.json'), '{"a":1}')],
  ['what was built being gone', () => rmSync(join(root, 'dist'), { recursive: true })],
])('builds again for %s', (_name, change) => {
  ensure();
  change();
  expect(ensure().status).toBe(0);
  expect(builds()).toBe(2);
});

it('says that a build failed, and builds at the next start', () => {
  writeFileSync(join(root, 'scripts/bundle.ts'), "throw new Error('no such module');");
  const failed = ensure();
  expect(failed.status).toBe(1);
  expect(failed.stderr).toContain('no such module');
  expect(failed.stderr.trimEnd().split('\n').at(-1)).toBe('The build failed; its messages are above.');
  writeFileSync(join(root, 'scripts/bundle.ts'), COUNTS);
  expect(ensure().status).toBe(0);
  expect(builds()).toBe(1);
});
