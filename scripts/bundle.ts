/**
 * Bundles the product into `dist/server/`: what is used of the source and of the
 * packages, in a few files without comments, so that less of it lies in memory
 * (docs/decisions/0019). Names stay as they are, lines stay lines: both appear in
 * crash reports. Beside them lies `third-party.txt`: whose packages went into them, and
 * their licences, which have to come along. Run by `ensure-built.js`.
 *
 * Invariant: a file is replaced whole or not at all, and none before all of them
 * are made; what runs from the folder meanwhile finds old files or new ones.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type Plugin, rolldown } from 'rolldown';
import { thirdPartyText } from './third-party.ts';

const ROOT = join(import.meta.dirname, '..');
const FOLDER = join(ROOT, 'dist/server');
/** Native, or loaded by few and only when needed; and what fastify would load for schemas, which `control/server.ts` has none of. */
const EXTERNAL = [
  'better-sqlite3',
  'proxy-chain',
  'yaml',
  '@fastify/ajv-compiler',
  '@fastify/fast-json-stringify-compiler',
  'light-my-request',
];
/** How the source names a file that another thread starts with. */
const THREAD_ENTRY = /new URL\('(\.[^']+\.ts)', import\.meta\.url\)/g;

/** Makes each file that a thread starts with an entry of its own, and the source name what became of it. */
const threadEntries: Plugin = {
  name: 'thread-entries',
  transform: {
    filter: { code: THREAD_ENTRY },
    handler(code, id) {
      return code.replaceAll(THREAD_ENTRY, (_, path: string) => {
        const entry = this.emitFile({ type: 'chunk', id: resolve(dirname(id), path) });
        return `new URL(import.meta.ROLLUP_FILE_URL_${entry})`;
      });
    },
  },
};

/** What the bundler would only print: here it ends the build. */
function refuse(warning: { readonly message: string }): never {
  throw new Error(warning.message);
}

async function bundle(): Promise<void> {
  const build = await rolldown({
    cwd: ROOT,
    platform: 'node',
    input: { main: 'src/main.ts' },
    external: EXTERNAL,
    // A folder of packages that is linked to is named as one that is not, so that the octets are the same.
    resolve: { symlinks: false },
    plugins: [threadEntries],
    onwarn: refuse,
  });
  const { output } = await build.generate({
    format: 'esm',
    comments: false,
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
  });
  await build.close();
  const modules = output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []));
  const thirdParty = thirdPartyText(modules);
  mkdirSync(FOLDER, { recursive: true });
  for (const file of output) replace(file.fileName, file.type === 'chunk' ? file.code : file.source);
  replace('third-party.txt', thirdParty);
  const made = output.map(({ fileName }) => fileName);
  const isOld = (name: string) => name.endsWith('.js') && !made.includes(name);
  for (const name of readdirSync(FOLDER).filter(isOld)) rmSync(join(FOLDER, name), { force: true });
}

function replace(name: string, content: string | Uint8Array): void {
  const path = join(FOLDER, name);
  // Two that build at once write the same, each under a name of its own at first.
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, content);
  renameSync(unfinished, path);
}

try {
  await bundle();
} catch (error) {
  // What is wrong with the source, where: the bundler's own stack would say nothing.
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
