import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../../..');

async function filesIn(directory: string): Promise<Record<string, string>> {
  const names = (await readdir(directory, { recursive: true })).filter((name) => name.endsWith('.ts')).sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(directory, name), 'utf8')])),
  );
}

test('the committed code is what the protos generate', async () => {
  const out = await mkdtemp(join(tmpdir(), 'sallyport-gen-'));
  const bin = join(root, 'node_modules/.bin');
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
  await promisify(execFile)(join(bin, 'buf'), ['generate', '-o', out], { cwd: root, env });
  const fresh = await filesIn(join(out, 'control/gen'));
  await rm(out, { recursive: true });
  expect(Object.keys(fresh)).toHaveLength(3);
  expect(await filesIn(join(root, 'control/gen'))).toEqual(fresh);
});

test('every message, field, enum value and method of the protos is explained', async () => {
  const protos = ['accounts/v1/accounts.proto', 'proxies/v1/proxies.proto', 'google/rpc/error_details.proto'];
  for (const name of protos) {
    const lines = (await readFile(join(root, 'control/proto', name), 'utf8')).split('\n');
    const silent = lines.filter((line, i) => {
      const declares = /^\s*(rpc |message |enum |service |\w[\w.<>, ]* \w+ = \d+;)/.test(line);
      return declares && !/^\s*\/\//.test(lines[i - 1] ?? '');
    });
    expect(silent).toEqual([]);
  }
});
