/**
 * Whose packages are inside a bundle, with the licences that must come along: a heading
 * `== name@version (licence)` for each, and what its own licence file says. Written by
 * `bundle.ts` and `bundle-console.ts`, read by `sbom.ts`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The folder of the package that a module is of: what follows the last `node_modules/`, scope included. */
const PACKAGE_FOLDER = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/;
const LICENCE_FILE = /^(licen[cs]e|copying)(\.|-|$)/i;
const HEADING = /^== (\S+@\S+) \(/gm;

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
}

/** The text for the modules of a bundle, by their paths. Throws when a package comes without a licence. */
export function thirdPartyText(modules: readonly string[]): string {
  const folders = new Set(modules.flatMap((path) => path.replaceAll('\\', '/').match(PACKAGE_FOLDER) ?? []));
  const sections = new Map([...folders].map(section));
  return [...sections]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, text]) => text)
    .join('\n');
}

/** `name@version` of each package that the text tells of. */
export function thirdPartyNames(text: string): string[] {
  return [...text.matchAll(HEADING)].map(([, name]) => name!);
}

function section(folder: string): [key: string, text: string] {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
  const key = `${manifest.name}@${manifest.version}`;
  const files = readdirSync(folder).filter((name) => LICENCE_FILE.test(name));
  if (typeof manifest.license !== 'string') throw new Error(`${key} does not say its licence`);
  const texts = files.sort().map((name) => readFileSync(join(folder, name), 'utf8').trim());
  return [key, [`== ${key} (${manifest.license})`, ...texts, ''].join('\n\n')];
}
