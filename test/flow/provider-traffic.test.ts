/** What leaves for an upstream on behalf of a provider, through the whole product. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Product } from '../helpers/product.ts';
import { type ProxylineStandIn, proxylineEntry, startProxylineStandIn } from '../helpers/proxyline-stand-in.ts';
import { converse, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

let upstream: RecordingUpstream;
let proxyline: ProxylineStandIn;
let product: Product;
/** The credentials of each request that reached the upstream, in clear. */
const credentials: string[] = [];
beforeAll(async () => {
  upstream = await startRecordingUpstream(({ socket, text }, chunk) => {
    if (!chunk.toString('latin1').endsWith('\r\n\r\n')) return;
    const head = text.slice(text.slice(0, -4).lastIndexOf('\r\n\r\n') + 1);
    credentials.push(Buffer.from(/^proxy-authorization: Basic (.*)$/im.exec(head)?.[1] ?? '', 'base64').toString());
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
  proxyline = await startProxylineStandIn();
  product = new Product({ SALLYPORT_PROXYLINE_API_URL: proxyline.url });
  await product.start();
});
afterAll(async () => {
  await product.destroy();
  await proxyline.close();
  await upstream.close();
});

// biome-ignore lint/suspicious/noExplicitAny: a test reads whatever came back
async function ok(method: string, body: object): Promise<any> {
  const response = await fetch(`${product.controlUrl}/proxies.v1.Proxies/${method}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${product.bootstrap.apiKey}` },
    body: JSON.stringify({ workspaceId: product.bootstrap.workspaceId, ...body }),
  });
  if (response.status !== 200) throw new Error(`${method} answered ${response.status}: ${await response.text()}`);
  return response.json();
}

async function getThrough(pool: string): Promise<string> {
  const authorization = `Proxy-Authorization: Basic ${base64(`${pool}:${product.bootstrap.apiKey}`)}`;
  const head = ['GET http://target.test/ HTTP/1.1', 'Host: target.test', authorization, 'Connection: close', '', ''];
  return (await converse(product.gatewayPort, head.join('\r\n'))).text;
}

test('an optional segment without a value vanishes from the user name that is sent', async () => {
  const { pool } = await ok('CreatePool', { name: 'rotating' });
  const { provider } = await ok('ConnectProvider', {
    type: 'PROVIDER_TYPE_GATEWAY',
    endpoint: { scheme: 'http', host: '127.0.0.1', port: upstream.port },
    usernameTemplate: 'user-{username}[-country-{country}]-res-[{city}|any]-session-{token}[-ttl-{ttl_minutes}]',
    credentials: base64('acme:pw:x'),
  });
  await ok('CreateSession', { poolId: pool.id, providerId: provider.id, token: 'checkout1' });
  expect(await getThrough('rotating')).toMatch(/^HTTP\/1\.1 200 /);
  expect(credentials.at(-1)).toBe('user-acme-res-any-session-checkout1:pw:x');
});

test('a discovered endpoint serves requests with the credentials that the vendor lists', async () => {
  const { pool } = await ok('CreatePool', { name: 'listed' });
  proxyline.entries = [proxylineEntry(7, { ip: '127.0.0.1', port_http: upstream.port, user: 'u7', password: 'pw-7' })];
  const account = base64('{"apiKey":"key-good"}');
  const vendor = { type: 'PROVIDER_TYPE_PROXYLINE', credentials: account, targetPoolId: pool.id };
  const { provider } = await ok('ConnectProvider', vendor);
  let discovery = provider.discovery;
  while (discovery.status === 'DISCOVERY_STATUS_RUNNING') {
    ({ discovery } = (await ok('GetProvider', { providerId: provider.id })).provider);
  }
  expect(discovery).toMatchObject({ status: 'DISCOVERY_STATUS_DONE', createdCount: 1 });
  expect(await getThrough('listed')).toMatch(/^HTTP\/1\.1 200 /);
  expect(credentials.at(-1)).toBe('u7:pw-7');
  await ok('DeleteProvider', { providerId: provider.id });
  expect(await getThrough('listed')).toMatch(/^HTTP\/1\.1 503 /);
});
