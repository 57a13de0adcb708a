/**
 * An import that is interrupted and repeated: whatever ends it, and wherever, the same command
 * again completes it, and no line of the list is ever two sessions.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { commandLine } from '../helpers/command-line.ts';
import { FROM_SOURCE, Product } from '../helpers/product.ts';

/** Ten batches of an import. */
const LINES = 20_000;
/** Each list goes in three times, and comes out twice. */
const LONG = 90_000;
const product = new Product({ SALLYPORT_ACCESS_LOG: 'false' });
let folder: string;
let list: string;
let run: ReturnType<typeof commandLine>;

beforeAll(async () => {
  await product.start();
  folder = await mkdtemp(join(tmpdir(), 'sallyport-import-'));
  list = join(folder, 'list.txt');
  const lines = Array.from({ length: LINES }, (_, n) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}:8080:user-${n}:p`);
  await writeFile(list, `${lines.join('\n')}\n`);
  run = commandLine({ SALLYPORT_DATA_DIR: product.dataDir });
});
afterAll(async () => {
  await product.destroy();
  await rm(folder, { recursive: true });
});

/** The tokens of a pool, whichever of its sessions have them. */
async function tokensOf(pool: string): Promise<string[]> {
  const { code, stdout } = await run('session', 'export', '--redacted', '--pool', pool);
  expect(code).toBe(0);
  return stdout
    .split('\n')
    .slice(1)
    .map((line) => line.split(',')[0]!);
}

function startImport(pool: string, ...flags: string[]): { child: ChildProcess; output: { out: string; err: string } } {
  const child = spawn(process.execPath, [FROM_SOURCE, 'session', 'import', list, '--pool', pool, ...flags], {
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      SALLYPORT_DATA_DIR: product.dataDir,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { out: '', err: '' };
  child.stdout.on('data', (chunk) => {
    output.out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output.err += chunk;
  });
  return { child, output };
}

/** Imports into a new pool, and ends the import by a signal once some of it is in. */
async function interrupted(pool: string, signal: NodeJS.Signals, ...flags: string[]) {
  expect(await run('pool', 'create', pool)).toMatchObject({ code: 0 });
  const { child, output } = startImport(pool, ...flags);
  const closed = once(child, 'close');
  const isIn = async () => (await run('session', 'list', '--pool', pool, '--limit', '1', '--json')).json.length > 0;
  while (child.exitCode === null && !(await isIn()));
  child.kill(signal);
  const [code] = (await closed) as [number | null];
  return { code, ...output };
}

/** Repeats an import until nothing is left to do; answers what the first repetition found there already. */
async function completed(pool: string): Promise<number> {
  const { code, json: first } = await run('session', 'import', list, '--pool', pool, '--json');
  expect([code, first.created + first.existing, first.repeated, first.complete]).toEqual([0, LINES, 0, true]);
  const { stdout } = await run('session', 'import', list, '--pool', pool);
  expect(stdout).toBe(`0 sessions added to pool ${pool}, ${LINES.toLocaleString('en')} there already`);
  const tokens = await tokensOf(pool);
  expect([tokens.length, new Set(tokens).size]).toEqual([LINES, LINES]);
  return first.existing;
}

test(
  'after SIGKILL, the same command completes it',
  async () => {
    const { code } = await interrupted('killed', 'SIGKILL');
    expect(code).toBeNull();
    const before = (await tokensOf('killed')).length;
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThan(LINES);
    // The batch that was on its way may have come in since.
    const found = await completed('killed');
    expect(found).toBeGreaterThanOrEqual(before);
    expect(found).toBeLessThan(LINES);
  },
  LONG,
);

test(
  'after Ctrl-C it says what was done, which is what is there, and the same command completes it',
  async () => {
    const { code, out, err } = await interrupted('stopped', 'SIGINT');
    expect([code, out]).toEqual([130, '']);
    const told = /^sallyport: so far ([\d,]+) sessions added to pool stopped; the same command again goes on/.exec(err);
    expect(err).toMatch(/^sallyport: interrupted$/m);
    const before = (await tokensOf('stopped')).length;
    expect(before).toBe(Number(told![1]!.replaceAll(',', '')));
    expect(before).toBeLessThan(LINES);
    expect(await completed('stopped')).toBe(before);
  },
  LONG,
);

test(
  'after Ctrl-C a script reads how far it came',
  async () => {
    const { code, out } = await interrupted('scripted', 'SIGINT', '--json');
    const { created, complete } = JSON.parse(out);
    expect([code, complete]).toEqual([130, false]);
    expect(await tokensOf('scripted')).toHaveLength(created);
  },
  LONG,
);

test('what came in goes out to a reader that has seen enough, without a complaint', { timeout: LONG }, async () => {
  const shell = spawn('sh', ['-c', '"$0" "$1" session export --redacted | head -1', process.execPath, FROM_SOURCE], {
    env: { PATH: process.env.PATH, SALLYPORT_DATA_DIR: product.dataDir },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let told = '';
  for (const stream of [shell.stdout, shell.stderr]) {
    stream.on('data', (chunk) => {
      told += chunk;
    });
  }
  await once(shell, 'close');
  expect(told).toBe('token,scheme,host,port,username,enabled,labels\n');
});

test(
  'when the server goes away, it says what was done before, and ends with 3',
  async () => {
    expect(await run('pool', 'create', 'lost')).toMatchObject({ code: 0 });
    const { child, output } = startImport('lost');
    const closed = once(child, 'close');
    const isIn = async () => (await run('session', 'list', '--pool', 'lost', '--limit', '1', '--json')).json.length > 0;
    while (child.exitCode === null && !(await isIn()));
    await product.kill();
    expect((await closed)[0]).toBe(3);
    expect(output.err).toMatch(/^sallyport: so far [\d,]+ sessions added to pool lost; the same command/m);
    expect(output.err).toContain('cannot be reached');
  },
  LONG,
);
