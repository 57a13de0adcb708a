/**
 * The version of the product, from its package.json: beside the source, or one
 * folder higher when compiled into `dist/`. Read by `sallyport version` and the
 * build-info metric.
 */
import { existsSync, readFileSync } from 'node:fs';

/** The version as text, such as `0.1.0`; throws when the package is incomplete. */
export function productVersion(): string {
  const here = ['../package.json', '../../package.json'].map((path) => new URL(path, import.meta.url));
  const manifest = here.find((url) => existsSync(url));
  if (!manifest) throw new Error('package.json is missing beside the program');
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}
