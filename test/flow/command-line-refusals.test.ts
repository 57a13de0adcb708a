/** Commands that cannot be carried out: each says why in words of whoever typed it, and ends with the code for it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commandLine } from '../helpers/command-line.ts';
import { Product } from '../helpers/product.ts';
import { startTarget, type Target } from '../helpers/target.ts';

const product = new Product({ SALLYPORT_ACCESS_LOG: 'false' });
let target: Target;
let folder: string;
let run: ReturnType<typeof commandLine>;

beforeAll(async () => {
  await product.start();
  target = await startTarget();
  folder = await mkdtemp(join(tmpdir(), 'sallyport-refused-'));
  run = commandLine({ SALLYPORT_DATA_DIR: product.dataDir });
});
afterAll(async () => {
  await product.destroy();
  await target.close();
  await rm(folder, { recursive: true });
});

describe('a command that cannot be carried out', () => {
  test('for want of a server says which it looked for, and ends with 3', async () => {
    // Nobody has this port once its server is closed.
    const { url, close } = await startTarget();
    await close();
    const gone = commandLine({ SALLYPORT_URL: url, SALLYPORT_API_KEY: 'sp_live_x' });
    for (const command of [['pool', 'list'], ['status']]) {
      const { code, stderr } = await gone(...command);
      expect([code, stderr]).toEqual([3, expect.stringContaining(`${url} cannot be reached: nothing listens there`)]);
    }
  });

  test('for another one than it looked for says so, and ends with 3', async () => {
    const gateway = `http://127.0.0.1:${product.gatewayPort}`;
    for (const url of [gateway, target.url]) {
      const astray = commandLine({ SALLYPORT_URL: url, SALLYPORT_API_KEY: 'sp_live_x' });
      for (const command of [['pool', 'list'], ['status']]) {
        const { code, stdout, stderr } = await astray(...command);
        expect([code, stdout]).toEqual([3, '']);
        expect(stderr).toContain(`what answers at ${url} is no control plane (`);
      }
      expect((await astray('doctor')).stdout).toContain(`✗ server: what answers at ${url} is no control plane`);
    }
  });

  test('for an argument that the service refuses names it as it is, and no flag that there is none of', async () => {
    expect(await run('pool', 'create', 'zwei Worte')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^name: /),
    });
    expect(await run('assignment', 'create', 'zwei Worte')).toMatchObject({
      stderr: expect.stringMatching(/^account: /),
    });
  });

  test.each([
    [['pool', 'create', 'x', '--attempts', '99'], /^--attempts: /],
    [['pool', 'create', 'x', '--deny', 'a.test,not a host'], /^--deny: /],
    [['key', 'create', 'x', '--policies', 'gateway,all'], /^--policies: must be one of/],
    [['provider', 'connect', 'gateway'], /^--scheme, --host, --port: is required\n--username-template: is required$/],
  ])('for a value that the service refuses names the flag: %j', async (argv, sentence) => {
    expect(await run(...argv)).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(sentence) });
  });

  test('for a thing that is there already names it by the id that people know it by', async () => {
    const create = ['session', 'create', 'twice', '203.0.113.9:80'];
    const { stdout } = await run(...create);
    const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(stdout)![0];
    expect(await run(...create)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`session ${uuid} of this pool`),
    });
  });

  test('for want of its verb shows those that there are, and ends with 2', async () => {
    const { code, stdout, stderr } = await run('pool');
    expect([code, stderr]).toEqual([2, '']);
    expect(stdout).toMatch(/^Usage: sallyport pool .*^ +list /ms);
  });

  test('for want of knowing one says how to name it, and ends with 2', async () => {
    const lost = commandLine({ SALLYPORT_DATA_DIR: folder });
    expect(await lost('pool', 'list')).toMatchObject({ code: 2, stderr: expect.stringContaining('SALLYPORT_URL') });
  });

  test.each([
    [['frobnicate'], "unknown command 'frobnicate'"],
    [['pool', 'frobnicate'], "unknown command 'frobnicate'"],
    [['pool', 'get'], "missing required argument 'pool'"],
    [['pool', 'list', '--colour'], "unknown option '--colour'"],
    [['pool', 'create', 'x', '--sticky', 'hard'], 'soft, strict'],
    [['pool', 'create', 'x', '--deadline', '5'], '500ms, 30s'],
    [['session', 'list', '--limit', '0'], 'from 1'],
  ])('%j ends with 2 and says what was not understood', async (argv, sentence) => {
    const { code, stdout, stderr } = await run(...argv);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(sentence);
    expect(stderr).toContain('--help" says more');
  });
});
