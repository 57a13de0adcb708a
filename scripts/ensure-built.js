/*
 * Brings `dist/server/` and `dist/console/` to what the source says, when they are not that yet. Called
 * by launch.js for programs in that folder, and as a program of its own by
 * build.ts, tests and benches. Plain JavaScript: it runs on any Node ≥ 20.
 *
 * What was built leaves a digest of the names, sizes and times of all that went
 * into it; comparing costs milliseconds, building half a second.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const SOURCES = [
  'src',
  'control',
  'gateway',
  'client',
  'console',
  'package-lock.json',
  'tsconfig.json',
  'scripts/bundle.ts',
  'scripts/bundle-console.ts',
  'scripts/third-party.ts',
];
const BUNDLERS = ['scripts/bundle.ts', 'scripts/bundle-console.ts'];
const RECORD = join(root, 'dist/server/built-from.txt');

/** @param {string} path @returns {string[]} a line for each file at or below a path from the root */
function describe(path) {
  const { size, mtimeMs } = statSync(join(root, path));
  const below = statSync(join(root, path)).isDirectory() ? readdirSync(join(root, path)).sort() : null;
  if (below === null) return [`${path} ${size} ${mtimeMs}`];
  return below.flatMap((name) => describe(`${path}/${name}`));
}

function digestOfSources() {
  return createHash('sha256').update(SOURCES.flatMap(describe).join('\n')).digest('hex');
}

/**
 * Builds unless that was done. Throws one sentence when it cannot; the bundler has said why by then.
 * @param {string} node the runtime that builds
 */
export function ensureBuilt(node) {
  // Taken before, so that what is edited meanwhile is built next time.
  const digest = digestOfSources();
  if (existsSync(RECORD) && readFileSync(RECORD, 'utf8') === digest) return;
  for (const bundler of BUNDLERS) {
    // Standard output is the server's own.
    const { status } = spawnSync(node, [bundler], { cwd: root, stdio: ['ignore', 2, 2] });
    if (status !== 0) throw new Error('The build failed; its messages are above.');
  }
  writeFileSync(RECORD, digest);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    ensureBuilt(process.execPath);
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
