/** Commands that look back: what was carried, and who changed what. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commandLine } from '../helpers/command-line.ts';
import { Product } from '../helpers/product.ts';
import { ProxiedClient } from '../helpers/proxied.ts';
import { startTarget, type Target } from '../helpers/target.ts';

const product = new Product({ SALLYPORT_ACCESS_LOG: 'false' });
const ID = '[0-9a-f]{8}-[0-9a-f-]{27}';
let target: Target;
let run: ReturnType<typeof commandLine>;

beforeAll(async () => {
  await product.start();
  target = await startTarget();
  run = commandLine({ SALLYPORT_DATA_DIR: product.dataDir });
});
afterAll(async () => {
  await product.destroy();
  await target.close();
});

/** Runs a command that must end with 0. */
async function ok(...argv: string[]) {
  const ran = await run(...argv);
  expect([argv.join(' '), ran.code, ran.stderr]).toEqual([argv.join(' '), 0, '']);
  return ran;
}

const today = () => new Date().toISOString().slice(0, 10);

describe('usage', () => {
  test('of nothing says so, and for which days', async () => {
    const { stdout } = await ok('usage', '--from', '2026-01-01', '--to', '2026-01-31', '--pool', 'default');
    expect(stdout).toBe('Nothing was carried from 2026-01-01 to 2026-01-31.');
    expect((await ok('usage', '--from', '2026-01-01', '--to', '2026-01-31', '--json')).json).toEqual([]);
  });

  test('is told by day, and by whatever else somebody asks for, with what failed and a total', async () => {
    await ok('session', 'create', 'dead', 'http://127.0.0.1:1', '--pool', 'default');
    const client = new ProxiedClient(product.gatewayPort);
    for (const account of ['', '', '-account-anna']) {
      await client.get(`${target.url}/one`, product.authorization(`local${account}`));
    }
    await client.get(`${target.url}/one`, product.authorization('default'));
    client.close();
    // It is booked every second.
    await expect
      .poll(async () => (await run('usage')).stdout, { timeout: 10_000 })
      .toMatch(new RegExp(`^${today()} +4 +1 `, 'm'));
    const { stdout } = await ok('usage', '--by', 'pool,account');
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^POOL +ACCOUNT +REQUESTS +FAILED +SENT +RECEIVED$/);
    expect(stdout).toMatch(/^local +- +2 +0 +\S+ k?B +\S+ k?B$/m);
    expect(stdout).toMatch(/^local +anna +1 +0 +\S+ k?B +\S+ k?B$/m);
    expect(stdout).toMatch(/^default +- +1 +1 +0 B +\S+ k?B$/m);
    expect(lines[4]).toMatch(/^TOTAL +4 +1 +\S+ k?B +\S+ k?B$/);
    expect(lines.at(-1)).toMatch(new RegExp(`^Carried from .* to ${today()}, days of UTC\\.$`));
    expect((await ok('usage', '--by', 'day,provider')).stdout).toMatch(new RegExp(`^${today()} +local +3 +0 `, 'm'));
    expect((await ok('usage', '--by', 'session', '--limit', '1')).stdout).toContain('… and 1 more');
  });

  test('in JSON is usage records that say what was told apart', async () => {
    const { json } = await ok('usage', '--by', 'pool', '--pool', 'local', '--json');
    const { localPoolId } = product.bootstrap;
    expect(json).toEqual([
      { poolId: localPoolId, requestCount: '3', bytesOut: expect.any(String), bytesIn: expect.any(String) },
    ]);
    expect((await ok('usage', '--account', 'anna', '--json')).json).toMatchObject([{ requestCount: '1' }]);
    expect((await ok('usage', '--account', '', '--provider', 'local', '--json')).json).toMatchObject([
      { usageDate: today(), requestCount: '2' },
    ]);
    expect((await ok('usage', '--session', 'dead', '--json')).json).toMatchObject([{ errorCount: '1' }]);
  });

  test('of what is gone is told by its id', async () => {
    const { json } = await ok('session', 'get', 'dead', '--json');
    const id = Buffer.from(json.id, 'base64')
      .toString('hex')
      .replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
    await ok('session', 'delete', 'dead', '--yes');
    expect((await ok('usage', '--by', 'session', '--session', id)).stdout).toMatch(new RegExp(`^${id} +1 +1 `, 'm'));
    expect(await run('usage', '--session', 'dead')).toMatchObject({ code: 1 });
  });

  test.each([
    [['--from', '2026-02-30'], 'such as 2026-11-01, or 7d ago'],
    [['--from', 'March'], 'such as 2026-11-01, or 7d ago'],
    [['--by', 'days'], 'day, pool, provider, session, account'],
    [['--from', '2026-02-03', '--to', '2026-02-01'], '--from 2026-02-03 is after --to 2026-02-01'],
  ])('with %j is wrong usage', async (flags, sentence) => {
    expect(await run('usage', ...flags)).toMatchObject({ code: 2, stderr: expect.stringContaining(sentence) });
  });

  test('of more days than the service looks through is refused in words of the command', async () => {
    const { code, stderr } = await run('usage', '--from', '2001-01-01');
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^--to: must be less than/)]);
  });
});

describe('the audit record', () => {
  test('tells who changed what, newest first', async () => {
    await ok('pool', 'create', 'shops');
    await ok('pool', 'update', 'shops', '--attempts', '5');
    await run('pool', 'create', 'shops');
    await ok('pool', 'delete', 'shops', '--yes');
    const { stdout } = await ok('audit', '--limit', '4');
    const [head, ...lines] = stdout.split('\n');
    expect(head).toMatch(/^TIME +WHO +WHAT +OBJECT +OUTCOME +CHANGED$/);
    const at = '\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\dZ';
    expect(lines[0]).toMatch(new RegExp(`^${at} +\\S.* DeletePool +shops +ok +-$`));
    expect(lines[1]).toMatch(/ CreatePool +- +already_exists +-$/);
    expect(lines[2]).toMatch(new RegExp(` UpdatePool +${ID} +ok +failover: .*"maxAttempts":3.* → `));
    expect(lines[3]).toMatch(/ CreatePool +shops +ok +-$/);
    expect(lines[4]).toMatch(/^… and \d+ before them: --limit N shows more$/);
  });

  test('is looked through by key, method, object, outcome and time', async () => {
    await ok('key', 'create', 'script', '--policies', 'proxies');
    const { json: keys } = await ok('key', 'list', '--json');
    const { id } = keys.find(({ name }: { name: string }) => name === 'script');
    const { json: made } = await ok('audit', '--object', id, '--json');
    expect(made).toMatchObject([{ method: 'accounts.v1.Accounts/CreateAPIKey', after: { name: 'script' } }]);
    expect(Buffer.from(made[0].hash, 'base64')).toHaveLength(32);

    expect((await ok('audit', '--key', 'script')).stdout).toBe('Nothing of that is on record.');
    expect(await run('audit', '--key', 'nobody')).toMatchObject({ code: 1, stderr: 'no key is called nobody' });
    const { json: refused } = await ok('audit', '--refused', '--method', 'createpool', '--json');
    expect(refused).toMatchObject([{ outcome: 'already_exists' }]);
    expect((await ok('audit', '--to', '1h', '--json')).json).toEqual([]);
    expect((await ok('audit', '--from', '1h', '--method', 'DeletePool', '--json')).json).toHaveLength(1);
    expect(await run('audit', '--object', 'shops')).toMatchObject({ code: 2, stderr: '--object takes an id' });
  });
});
