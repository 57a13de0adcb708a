/**
 * What `npm pack` runs first: builds, writes the bill of materials, and gives all that is
 * packed the same modes. npm keeps those of the disk, which a umask has a say in: without
 * this two tarballs would differ, and one made under 077 could not be read where root installs it.
 */
import { chmodSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runSteps } from './steps.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const { files } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as { files: string[] };

function openToRead(path: string): void {
  const isFolder = statSync(path).isDirectory();
  chmodSync(path, isFolder ? 0o755 : 0o644);
  if (isFolder) for (const name of readdirSync(path)) openToRead(`${path}/${name}`);
}

const passed = runSteps([
  { name: 'build', args: ['scripts/build.ts'] },
  { name: 'bill of materials', args: ['scripts/sbom.ts'] },
]);
for (const name of ['package.json', ...files]) {
  if (!name.startsWith('!')) openToRead(`${ROOT}${name}`);
}
process.exitCode = passed ? 0 : 1;
