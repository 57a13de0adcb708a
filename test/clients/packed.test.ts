/**
 * The package as strangers get it: `npm pack` of two copies of the working tree gives the
 * same octets; installed in an empty folder it serves on Node 24 and on the pinned Node.
 * Installing asks the registry, or npm's cache: without an answer this is skipped by name.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Product } from '../helpers/product.ts';
import { ProxiedClient } from '../helpers/proxied.ts';
import { startTarget, type Target } from '../helpers/target.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const TARBALL = 'sallyport-0.1.0.tgz';
/** Packing builds, installing downloads: on a busy machine a minute each. */
const NPM_MS = 300_000;
const PINNED = dirname(process.execPath);

const folder = mkdtempSync(join(tmpdir(), 'sallyport-packed-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a line in a shell, with programs of `path` before those of the machine; answers standard output. */
function run(line: string, cwd: string, path = PINNED): string {
  const PATH = `${path}${delimiter}${process.env.PATH}`;
  // What the machine says of its network and registry counts; what the npm around us says of our folder does not.
  const ours = /^(npm_(package|lifecycle|config_local_prefix|command|execpath)|INIT_CWD|NODE_OPTIONS$)/;
  const kept = Object.entries(process.env).filter(([name]) => !ours.test(name));
  const env = { ...Object.fromEntries(kept), PATH };
  const { status, stdout, stderr } = spawnSync('sh', ['-c', line], { cwd, env, encoding: 'utf8', timeout: NPM_MS });
  if (status !== 0) throw new Error(`${line}: ${status}\n${stdout}\n${stderr}`);
  return stdout;
}

/** What git would add of the working tree, in a folder of its own, beside the packages of this one. */
function copyTree(to: string): string {
  const names = run('git ls-files -z --cached --others --exclude-standard', ROOT).split('\0');
  for (const name of names.filter((name) => name !== '' && name !== 'node_modules')) {
    cpSync(join(ROOT, name), join(to, name));
  }
  symlinkSync(join(ROOT, 'node_modules'), join(to, 'node_modules'));
  return to;
}

const digest = (file: string) => createHash('sha512').update(readFileSync(file)).digest('hex');
const filesBelow = (at: string) =>
  readdirSync(at, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(at.length + 1));

const copies = [join(folder, 'one'), join(folder, 'deeper/down/two')] as const;
const tarball = join(copies[0], TARBALL);
beforeAll(() => {
  for (const [index, copy] of copies.entries()) {
    mkdirSync(copy, { recursive: true });
    copyTree(copy);
    run(`umask ${index === 0 ? '022' : '077 && chmod 600 LICENSE'} && npm pack --silent`, copy);
  }
}, 2 * NPM_MS);

test('packed twice from two places it is the same, octet for octet', () => {
  const [one, two] = copies.map((copy) => digest(join(copy, TARBALL)));
  expect(two).toBe(one);
});

const answers = spawnSync('npm', ['view', 'yaml', 'version'], { encoding: 'utf8', timeout: 30_000 }).status === 0;

describe.skipIf(!answers)(answers ? 'installed' : 'no registry of packages answers: skipped, installed', () => {
  const home = join(folder, 'empty');
  const installed = join(home, 'node_modules/sallyport');
  let target: Target;
  beforeAll(async () => {
    target = await startTarget();
    mkdirSync(home);
    writeFileSync(
      join(home, 'package.json'),
      '{ "private": true, "type": "module", "allowScripts": { "node": true } }',
    );
    install(tarball);
  }, NPM_MS);
  afterAll(() => target.close());

  function install(what: string): void {
    run(`npm install --prefer-offline --no-audit --no-fund "${what}"`, home);
  }

  test('it has what runs, and nothing else', () => {
    const files = filesBelow(installed).filter((file) => !file.startsWith('node_modules/'));
    const runs =
      /^(dist\/.*\.(js|d\.ts|txt|json)|dist\/console\/[a-z]+\.(html|js|css|svg)(\.(br|gz))?|control\/proto\/.*\.proto|LICENSE|README\.md|package\.json)$/;
    expect(files.filter((file) => !runs.test(file) || file.includes('built-from'))).toEqual([]);
    expect(files).toEqual(
      expect.arrayContaining([
        'dist/server/main.js',
        'dist/console/console.js.br',
        'dist/client/client.d.ts',
        'LICENSE',
      ]),
    );
    const ofThisMachine = files.filter((file) =>
      /\.\.\/node_modules/.test(readFileSync(join(installed, file), 'utf8')),
    );
    expect(ofThisMachine).toEqual([]);
  });

  test('its bill of materials names what npm installs with it, and what is inside', () => {
    const bill = readFileSync(join(installed, 'dist/sbom.cdx.json'), 'utf8');
    const named: string[] = JSON.parse(bill).components.map((component: { 'bom-ref': string }) => component['bom-ref']);
    const locked = JSON.parse(readFileSync(join(home, 'node_modules/.package-lock.json'), 'utf8')).packages;
    const names = Object.keys(locked).map((path) => path.replace(/^.*node_modules\//, ''));
    const missing = names.filter((name) => name !== 'sallyport' && !named.some((ref) => ref.startsWith(`${name}@`)));
    expect(missing).toEqual([]);
    expect(names).not.toContain('commander');
    for (const bundled of ['commander@', 'preact@', 'uplot@', '@picocss/pico@'])
      expect([bundled, named.some((ref) => ref.startsWith(bundled))]).toEqual([bundled, true]);
    expect(named.some((ref) => ref.startsWith('vitest@'))).toBe(false);
  });

  test('it serves on the Node that we support', () => serves(PINNED, /^v26\./), NPM_MS);

  test('it serves on Node 24', { timeout: NPM_MS }, async () => {
    install('node@24');
    await serves(join(home, 'node_modules/node/bin'), /^v24\./);
  });

  /** The smoke test: first start, a request, metrics, a command by `npx`, the client, and a stop. */
  async function serves(bin: string, version: RegExp): Promise<void> {
    expect(run('node --version', home, bin)).toMatch(version);
    const product = new Product({}, ':', join(installed, 'dist/server/main.js'), join(bin, 'node'));
    try {
      await product.start();
      const client = new ProxiedClient(product.gatewayPort);
      expect((await client.get(`${target.url}/packed`, product.authorization('local'))).status).toBe(200);
      client.close();
      expect(await product.metrics()).toMatch(/^sallyport_requests_total\{pool="local",.*outcome="ok"\} 1$/m);
      const status = `SALLYPORT_DATA_DIR='${product.dataDir}' npx --no sallyport status`;
      expect(run(status, home, bin)).toContain('local');
      writeFileSync(
        join(home, 'client.js'),
        "import { createSallyport } from 'sallyport/client'; createSallyport.name;",
      );
      run('node client.js', home, bin);
      expect(await product.stop()).toBe(0);
    } finally {
      await product.destroy();
    }
  }
});
