/**
 * The product with listeners of every kind, configured as an operator would: clients
 * that send no credentials, a client over TLS, and the records that say who they were.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Product } from '../helpers/product.ts';
import { makeCertificate, startTarget, type Target } from '../helpers/target.ts';
import { connectOverTls } from '../helpers/tls-client.ts';
import { eventually, RawClient } from '../helpers/wire.ts';

let folder: string;
let product: Product;
let target: Target;
let keyId: string;
let ports: number[];

const file = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-entrances-'));
  const certificate = await makeCertificate();
  writeFileSync(file('cert.pem'), certificate.cert);
  writeFileSync(file('key.pem'), certificate.key, { mode: 0o600 });
  writeFileSync(file('sallyport.yaml'), 'gatewayListen: 127.0.0.1:0\n');
  target = await startTarget();
  product = new Product({ SALLYPORT_CONFIG: file('sallyport.yaml'), SALLYPORT_GATEWAY_LISTEN: '' });
  await product.start();
  const { body } = await product.call('accounts.v1.Accounts/ListAPIKeys', {
    workspaceId: product.bootstrap.workspaceId,
  });
  keyId = body.apiKeys[0].id;
  await product.stop();
  const binding = `{apiKeyId: ${keyId}, selector: local`;
  writeFileSync(
    file('sallyport.yaml'),
    `listeners:
  - {listen: "127.0.0.1:0"}
  - {listen: "127.0.0.1:0", tlsCertFile: ${file('cert.pem')}, tlsKeyFile: ${file('key.pem')}}
  - ${binding}, listen: "127.0.0.1:0", from: 127.0.0.1}
clientRanges:
  - ${binding}, range: 127.0.7.0/24}
`,
  );
  await product.start();
  const ready = product.output.split('\n').findLast((line) => line.includes('"msg":"ready"'))!;
  const { gateway_urls: urls } = JSON.parse(ready) as { gateway_urls: string[] };
  expect(urls.map((url) => url.split(':')[0])).toEqual(['http', 'https', 'http']);
  ports = urls.map((url) => Number(new URL(url).port));
});
afterAll(async () => {
  await product.destroy();
  await target.close();
  rmSync(folder, { recursive: true, force: true });
});

const head = (...lines: string[]): string =>
  [`GET ${target.url}/ HTTP/1.1`, 'Host: a.test', ...lines, '', ''].join('\r\n');

/** Sends a request; answers its record, asked for by the id that the client was told. */
async function recordOf(client: RawClient, text: string) {
  await client.send(text).until((c) => /\r\n\r\n[\s\S]/.test(c.text));
  client.close();
  expect(client.text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  const requestId = /Sallyport-Request-Id: (\S+)/.exec(client.text)![1]!;
  return (await product.proxies('GetRequest', { requestId })).request;
}

describe('a request', () => {
  test('without credentials, at a listener that is bound', async () => {
    const record = await recordOf(await RawClient.connect(ports[2]!), head());
    expect(record).toMatchObject({ apiKeyId: keyId, identifiedBy: `listener 127.0.0.1:${ports[2]}`, cause: 'ok' });
    expect(record.poolId).toBe(product.bootstrap.localPoolId);
  });

  test('without credentials, from a range', async () => {
    const record = await recordOf(await RawClient.connect(ports[0]!, '127.0.7.7'), head());
    expect(record).toMatchObject({ apiKeyId: keyId, identifiedBy: 'range 127.0.7.0/24' });
    const line = () => product.output.split('\n').find((each) => each.includes(record.requestId));
    // Lines of requests wait a moment to be written together.
    await eventually('its line is written', () => line() !== undefined);
    expect(JSON.parse(line()!)).toMatchObject({ identified_by: 'range 127.0.7.0/24' });
  });

  test('with credentials, over TLS', async () => {
    const { client } = await connectOverTls(ports[1]!);
    const record = await recordOf(client, head(`Proxy-Authorization: ${product.authorization('local')}`));
    expect(record).toMatchObject({ apiKeyId: keyId, identifiedBy: 'credentials' });
  });

  test('without credentials, from elsewhere', async () => {
    const client = await RawClient.connect(ports[0]!);
    await client.send(head()).until((c) => c.text.includes('\r\n\r\n'));
    client.close();
    expect(client.text).toMatch(/^HTTP\/1\.1 407 auth_required\r\n/);
  });
});

test('a start with a key that others can read is refused in one sentence', async () => {
  const exposed = file('exposed.pem');
  writeFileSync(exposed, 'whatever', { mode: 0o644 });
  const other = new Product({
    SALLYPORT_GATEWAY_TLS_LISTEN: '127.0.0.1:0',
    SALLYPORT_GATEWAY_TLS_CERT_FILE: file('cert.pem'),
    SALLYPORT_GATEWAY_TLS_KEY_FILE: exposed,
  });
  await expect(other.start()).rejects.toThrow(
    `it ended with 1: sallyport: cannot start: the key file ${exposed} has mode 0644: make it 0600 (chmod 600)`,
  );
  await other.destroy();
});
