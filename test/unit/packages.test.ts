/** What `docs/decisions/0007-dependencies.md` promises of package.json and the lockfile. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

interface Locked {
  readonly integrity?: string;
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
  readonly optionalDependencies?: Record<string, string>;
}

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const manifest: {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  allowScripts: Record<string, boolean>;
} = JSON.parse(read('package.json'));
const locked: Record<string, Locked> = JSON.parse(read('package-lock.json')).packages;
const installed = Object.entries(locked).filter(([path]) => path !== '');

it('at most twelve packages are needed at run time, each with its reason written down', () => {
  const names = Object.keys(manifest.dependencies);
  expect(names.length).toBeLessThanOrEqual(12);
  const record = read('docs/decisions/0007-dependencies.md');
  const spelled = names.filter(
    (name) => record.includes(`\`${name}\``) || record.includes(`\`${name.split('/')[1]}\``),
  );
  expect(spelled).toEqual(names);
});

it('each locked package has its integrity hash, and no address of a registry', () => {
  expect(installed.filter(([, { integrity }]) => !integrity?.startsWith('sha512-')).map(([path]) => path)).toEqual([]);
  expect(installed.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path)).toEqual([]);
});

it('each package with an install script was decided on, and only the pinned Node may run its own', () => {
  const scripted = installed
    .filter(([, { hasInstallScript }]) => hasInstallScript)
    .map(([path]) => path.replace(/^.*node_modules\//, ''));
  expect(scripted.filter((name) => !(name in manifest.allowScripts))).toEqual([]);
  expect(Object.keys(manifest.allowScripts).filter((name) => manifest.allowScripts[name])).toEqual(['node']);
  expect(manifest.devDependencies.node).toMatch(/^\d+\.\d+\.\d+$/);
});

it('the packages of every platform are locked, without which npm ci fails on all of them', () => {
  const missing = installed.flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) => !locked[`node_modules/${name}`] && !locked[`${path}/node_modules/${name}`],
    ),
  );
  expect(missing).toEqual([]);
});
