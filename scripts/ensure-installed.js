/*
 * Brings node_modules to what package-lock.json says, when it is not there yet,
 * and finds the pinned Node in it. Called by launch.js on any Node ≥ 20.
 *
 * npm leaves a record of what it installed in node_modules/.package-lock.json;
 * comparing it with the lockfile costs milliseconds, running npm costs seconds.
 */
import { existsSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const pinnedNode = fileURLToPath(
  new URL(`../node_modules/node/bin/node${process.platform === 'win32' ? '.exe' : ''}`, import.meta.url),
);
const OLDEST_NODE = 20;

/** @param {string} file @returns {Record<string, { version?: string, integrity?: string, optional?: boolean }>} */
function packagesOf(file) {
  return JSON.parse(readFileSync(new URL(file, new URL('../', import.meta.url)), 'utf8')).packages;
}

/** Whether each package of the lockfile is installed in that very version; optional ones are other platforms' matter. */
function isInstalled() {
  const record = new URL('../node_modules/.package-lock.json', import.meta.url);
  if (!existsSync(record) || !existsSync(pinnedNode)) return false;
  const installed = packagesOf('node_modules/.package-lock.json');
  return Object.entries(packagesOf('package-lock.json')).every(([path, { version, integrity, optional }]) => {
    if (path === '') return true;
    const found = installed[path];
    if (!found) return optional === true;
    return found.version === version && found.integrity === integrity;
  });
}

/**
 * Installs what is missing; answers the path of the pinned Node. Throws one sentence when it cannot.
 * @param {(program: string, args: string[]) => Promise<{ code: number | null }>} run
 */
export async function ensureInstalled(run) {
  if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
    throw new Error(
      `Sallyport needs Node.js ${OLDEST_NODE} or newer to install itself, and this is ${process.version}.`,
    );
  }
  if (isInstalled()) return pinnedNode;
  const npm = process.env.npm_execpath;
  if (!npm) throw new Error('Packages are missing: run "npm ci" in the folder of the project.');
  console.error('Installing packages (npm ci) …');
  process.chdir(root);
  // Its warnings are of the Node that installs, which is not the one that anything runs on.
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  const { code } = await run(process.execPath, [npm, 'ci', '--include=dev', ...quiet]);
  if (code !== 0) throw new Error('"npm ci" failed; its messages are above.');
  if (!existsSync(pinnedNode)) {
    // An npm that skips install scripts by configuration leaves the package without its program.
    await run(process.execPath, [npm, 'rebuild', 'node', '--ignore-scripts=false', '--foreground-scripts']);
  }
  if (!existsSync(pinnedNode)) throw new Error('The pinned Node is missing: its install script did not run.');
  return pinnedNode;
}
