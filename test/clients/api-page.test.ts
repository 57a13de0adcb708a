/** The curl lines of `docs/api.md`, run in a shell one after the other, as a reader would paste them. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { API_EXAMPLES, textAt, VENDOR_ACCOUNT } from '../../scripts/api-examples.ts';
import { hasCurl } from '../helpers/curl.ts';
import { Product } from '../helpers/product.ts';
import { ProxiedClient } from '../helpers/proxied.ts';
import { startTarget, type Target } from '../helpers/target.ts';
import { startWebshareStandIn } from '../helpers/webshare-stand-in.ts';

const page = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, text = '']) => text);
const setup = blocks.filter((block) => !block.includes('curl '));
const lines = blocks.filter((block) => block.includes('curl ')).map((block) => block.trim());

const webshare = await startWebshareStandIn();
webshare.apiKey = VENDOR_ACCOUNT.apiKey;
const product = new Product({ SALLYPORT_WEBSHARE_API_URL: webshare.url });
const variables = new Map<string, string>();
let directory: string;
let target: Target;

beforeAll(async () => {
  await product.start();
  target = await startTarget();
  // The page's shell stands where `npm start` was run: the data directory is below.
  directory = await mkdtemp(join(tmpdir(), 'sallyport-page-'));
  await symlink(product.dataDir, join(directory, 'data'));
  const client = new ProxiedClient(product.gatewayPort);
  const { requestId } = await client.get(`${target.url}/`, product.authorization('local'));
  client.close();
  variables.set('REQUEST_ID', requestId);
});
afterAll(async () => {
  await product.destroy();
  await webshare.close();
  await target.close();
  await rm(directory, { recursive: true });
});

async function shell(line: string): Promise<Buffer> {
  const ports = setup.join('\n').replace('http://127.0.0.1:7070', product.controlUrl);
  const known = [...variables].map(([name, value]) => `${name}='${value}'`);
  const script = [ports, ...known, line].join('\n');
  const { stdout } = await promisify(execFile)('bash', ['-euc', script], {
    cwd: directory,
    encoding: 'buffer',
    maxBuffer: 64 << 20,
  });
  return stdout;
}

/** The first message of a stream's frames, or the one answer of a call. */
function firstMessage(output: Buffer, stream: boolean): Record<string, unknown> {
  return JSON.parse(stream ? output.toString('utf8', 5, 5 + output.readUInt32BE(1)) : output.toString());
}

describe.skipIf(!hasCurl)(hasCurl ? 'docs/api.md' : 'docs/api.md: curl is not installed: skipped', () => {
  test('has one line for every method, in order', () => {
    expect(lines.map((line) => /SALLYPORT_URL\/([\w.]+\/\w+)"/.exec(line)?.[1])).toEqual([...API_EXAMPLES.keys()]);
  });

  test.each(lines.map((line, at) => [[...API_EXAMPLES.keys()][at]!, line] as const))('%s', async (path, line) => {
    const example = API_EXAMPLES.get(path)!;
    const answer = firstMessage(await shell(line), example.stream === true);
    expect(answer).not.toHaveProperty('code');
    // A quiet tail ends at the deadline that its line names, and says so.
    if (path.endsWith('/TailRequests')) expect(answer).toMatchObject({ error: { code: 'deadline_exceeded' } });
    else expect(answer).not.toHaveProperty('error');
    for (const [name, at] of Object.entries(example.sets ?? {})) variables.set(name, textAt(answer, at));
  });
});
