/**
 * An `https` upstream through the whole product: the operator names its authority in a file,
 * or turns the check off for a session, and the next request goes by that.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeAuthority, makeCredential } from '../helpers/certificates.ts';
import { Product } from '../helpers/product.ts';
import { startTlsUpstream, type TlsUpstream } from '../helpers/tls-upstream.ts';
import { RawClient } from '../helpers/wire.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-authorities-'));
const product = new Product({ SALLYPORT_UPSTREAM_CA_FILE: join(folder, 'authorities.pem') });
let known: TlsUpstream;
let unknown: TlsUpstream;

beforeAll(async () => {
  const authority = await makeAuthority('an authority of the operator');
  writeFileSync(join(folder, 'authorities.pem'), `# ours\n${authority.cert}\n`);
  known = await startTlsUpstream(await makeCredential({ issuer: authority, names: ['IP:127.0.0.1'] }));
  unknown = await startTlsUpstream(await makeCredential({ names: ['IP:127.0.0.1'] }));
  await product.start();
});
afterAll(async () => {
  await product.destroy();
  await known.close();
  await unknown.close();
  rmSync(folder, { recursive: true });
});

/** The status line of a plain request through the pool. */
async function statusOf(pool: string): Promise<string> {
  const client = await RawClient.connect(product.gatewayPort);
  const lines = ['Host: a.test', `Proxy-Authorization: ${product.authorization(pool)}`, 'Connection: close'];
  await client.send(`GET http://a.test/ HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`).untilEnd();
  client.close();
  return client.text.split('\r\n')[0]!;
}

async function addSession(name: string, upstream: TlsUpstream, more: object = {}) {
  const { pool } = await product.proxies('CreatePool', { name });
  const endpoint = { scheme: 'https', host: '127.0.0.1', port: upstream.port };
  const { providerId } = product.bootstrap;
  return product.proxies('CreateSession', { poolId: pool.id, providerId, token: 't', ...endpoint, ...more });
}

test('an upstream of the named authority serves, one of nobody’s does not', async () => {
  await addSession('known', known);
  expect(await statusOf('known')).toBe('HTTP/1.1 200 OK');
  await addSession('unknown', unknown);
  expect(await statusOf('unknown')).toBe('HTTP/1.1 502 upstream_tls');
  expect(unknown.received()).toBe('');
});

test('a session that does not check serves, until it checks again', async () => {
  const { session } = await addSession('unchecked', unknown, { tlsInsecure: true });
  expect(session.tlsInsecure).toBe(true);
  expect(await statusOf('unchecked')).toBe('HTTP/1.1 200 OK');
  await product.proxies('UpdateSession', { sessionId: session.id, tlsInsecure: false });
  expect(await statusOf('unchecked')).toBe('HTTP/1.1 502 upstream_tls');
  // And the other way round; both outlive the process.
  const { session: other } = await addSession('checked', unknown);
  expect(await statusOf('checked')).toBe('HTTP/1.1 502 upstream_tls');
  await product.proxies('UpdateSession', { sessionId: other.id, tlsInsecure: true });
  expect(await statusOf('checked')).toBe('HTTP/1.1 200 OK');
  await product.stop();
  await product.start();
  expect(await statusOf('unchecked')).toBe('HTTP/1.1 502 upstream_tls');
  expect(await statusOf('checked')).toBe('HTTP/1.1 200 OK');
});
