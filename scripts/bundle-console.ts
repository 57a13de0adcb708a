/**
 * Bundles the console into `dist/console/`: its page, one script, one style sheet and its icon, each
 * as it is and compressed, so that serving it is reading a file; beside them `third-party.txt`, as in
 * `bundle.ts`. Run by `ensure-built.js`.
 *
 * Invariant, as in `bundle.ts`: a file is replaced whole or not at all.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';
import { thirdPartyText } from './third-party.ts';

const ROOT = join(import.meta.dirname, '..');
const FOLDER = join(ROOT, 'dist/console');
/** In the order of their rules. */
const STYLES = [
  'node_modules/@picocss/pico/css/pico.min.css',
  'node_modules/uplot/dist/uPlot.min.css',
  'console/style/colours.css',
  'console/style/frame.css',
  'console/style/parts.css',
  'console/style/tables.css',
];

const read = (path: string) => readFileSync(join(ROOT, path));

/** What the bundler would only print: here it ends the build. */
function refuse(warning: { readonly message: string }): never {
  throw new Error(warning.message);
}

async function script(): Promise<{ readonly code: Buffer; readonly modules: readonly string[] }> {
  const build = await rolldown({
    cwd: ROOT,
    platform: 'browser',
    resolve: { symlinks: false },
    input: 'console/main.tsx',
    tsconfig: join(ROOT, 'console/tsconfig.json'),
    onwarn: refuse,
  });
  const { output } = await build.generate({ format: 'esm', minify: true });
  await build.close();
  const [main, ...others] = output;
  if (others.length > 0) throw new Error('the console is one script');
  return { code: Buffer.from(main.code), modules: main.moduleIds };
}

function write(name: string, bytes: Buffer): void {
  const forms = [
    [name, bytes],
    [`${name}.gz`, gzipSync(bytes, { level: 9 })],
    [`${name}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } })],
  ] as const;
  for (const [file, form] of forms) {
    const path = join(FOLDER, file);
    writeFileSync(`${path}.${process.pid}`, form);
    renameSync(`${path}.${process.pid}`, path);
  }
}

try {
  const { code, modules } = await script();
  const thirdParty = thirdPartyText([...modules, ...STYLES.map((path) => join(ROOT, path))]);
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(join(FOLDER, 'third-party.txt'), thirdParty);
  write('console.js', code);
  write('console.css', Buffer.concat(STYLES.map(read)));
  write('icon.svg', read('console/icon.svg'));
  // Last: a page that is there finds what it asks for.
  write('index.html', read('console/index.html'));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
