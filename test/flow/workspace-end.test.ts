/** The end of a workspace as its applications see it: through the whole product, with tunnels open. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Product } from '../helpers/product.ts';
import { TunnelUpstream } from '../helpers/tunnel-upstream.ts';
import { RawClient } from '../helpers/wire.ts';

/** Within this of the answer, a tunnel of a deleted workspace is closed. */
const CUT_MS = 1_000;

const product = new Product({ SALLYPORT_ACCESS_LOG: 'false' });
let upstream: TunnelUpstream;
beforeAll(async () => {
  upstream = await TunnelUpstream.start();
  await product.start();
});
afterAll(async () => {
  await product.destroy();
  await upstream?.close();
});

// biome-ignore lint/suspicious/noExplicitAny: answers are read as a script with a JSON tool would
async function ok(method: string, request: object): Promise<any> {
  const { status, body } = await product.call(method, request);
  if (status !== 200) throw new Error(`${method}: ${status} ${JSON.stringify(body)}`);
  return body;
}

async function addSession(workspaceId: string, poolId: string, providerId: string): Promise<void> {
  const endpoint = { scheme: 'http', host: '127.0.0.1', port: upstream.port, username: 'u', password: 'p' };
  await ok('proxies.v1.Proxies/CreateSession', { workspaceId, poolId, providerId, token: 's', ...endpoint });
}

/** Asks for a tunnel; answers the client and the head that came back. */
async function connect(rawKey: string): Promise<{ client: RawClient; head: string }> {
  const client = await RawClient.connect(product.gatewayPort);
  const authorization = `Basic ${Buffer.from(`default:${rawKey}`).toString('base64')}`;
  client.send(`CONNECT echo.test:443 HTTP/1.1\r\nHost: echo.test:443\r\nProxy-Authorization: ${authorization}\r\n\r\n`);
  const head = await client.until(({ text }) => text.includes('\r\n\r\n'), 20_000);
  client.text = '';
  return { client, head };
}

test('tunnels of a deleted workspace are cut, its key opens none, and others go on', async () => {
  const { workspace } = await ok('accounts.v1.Accounts/CreateWorkspace', { name: 'doomed' });
  const workspaceId = workspace.id;
  const { poolIds } = await ok('proxies.v1.Proxies/ListPools', { workspaceId });
  const source = { workspaceId, type: 'PROVIDER_TYPE_STATIC' };
  const { provider } = await ok('proxies.v1.Proxies/ConnectProvider', source);
  await addSession(workspaceId, poolIds[0], provider.id);
  const { bootstrap } = product;
  await addSession(bootstrap.workspaceId, bootstrap.poolId, bootstrap.providerId);
  const body = { name: 'app', workspaceId, policies: ['gateway'] };
  const { rawKey } = await ok('accounts.v1.Accounts/CreateAPIKey', body);

  const doomed = await connect(rawKey);
  const other = await connect(bootstrap.apiKey);
  expect([doomed.head, other.head].map((head) => head.slice(0, 13))).toEqual(['HTTP/1.1 200 ', 'HTTP/1.1 200 ']);

  await ok('accounts.v1.Accounts/DeleteWorkspace', { workspaceId });
  const answeredAt = performance.now();
  await doomed.client.untilEnd();
  expect(performance.now() - answeredAt).toBeLessThan(CUT_MS);
  const refused = await connect(rawKey);
  expect(refused.head).toMatch(/^HTTP\/1\.1 407 /);
  await other.client.send('still here').until(({ text }) => text.length >= 10);
  expect(other.client.text).toBe('still here');
  for (const { client } of [doomed, refused, other]) client.close();
});
