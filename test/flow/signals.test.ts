/** Signals other than the one that asks for an orderly stop; that one, once and twice, is in `drain.test.ts`. */
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Product } from '../helpers/product.ts';
import { TunnelUpstream } from '../helpers/tunnel-upstream.ts';
import { RawClient } from '../helpers/wire.ts';

let product: Product;
let upstream: TunnelUpstream;

beforeEach(async () => {
  product = new Product({ SALLYPORT_DRAIN_GRACE: '500ms' });
  upstream = await TunnelUpstream.start();
  await product.start();
  const { poolId, providerId } = product.bootstrap;
  const endpoint = { scheme: 'http', host: '127.0.0.1', port: upstream.port };
  await product.proxies('CreateSession', { poolId, providerId, token: 's', ...endpoint });
});
afterEach(async () => {
  await product.destroy();
  await upstream.close();
});

async function ask(line: string): Promise<RawClient> {
  const client = await RawClient.connect(product.gatewayPort);
  return client.send(
    `${line} HTTP/1.1\r\nHost: a.test\r\nProxy-Authorization: ${product.authorization('default')}\r\n\r\n`,
  );
}

async function tunnel(): Promise<RawClient> {
  const client = await ask('CONNECT echo.test:443');
  await client.until(({ text }) => text.endsWith('\r\n\r\n'));
  return client;
}

async function echoes(client: RawClient): Promise<void> {
  client.text = '';
  await client.send('still here').until(({ text }) => text === 'still here');
}

test('SIGHUP is an orderly stop: the terminal has gone', async () => {
  const client = await tunnel();
  process.kill(product.pid, 'SIGHUP');
  await client.untilEnd();
  client.close();
  expect(await product.exited()).toBe(0);
  expect(product.output).toContain('"msg":"stopped"');
});

test('SIGPIPE changes nothing', async () => {
  const client = await tunnel();
  process.kill(product.pid, 'SIGPIPE');
  await echoes(client);
  client.close();
});

test('a process that was stopped for two seconds goes on where it was', async () => {
  const client = await tunnel();
  const waiting = await ask('GET http://slow.test/');
  await expect.poll(async () => (await upstream.state()).waiting).toBe(1);
  process.kill(product.pid, 'SIGSTOP');
  // Connections wait in the kernel meanwhile.
  const late = await ask('GET http://work.test/');
  client.text = '';
  client.send('said to nobody');
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  expect([client.text, late.text]).toEqual(['', '']);
  process.kill(product.pid, 'SIGCONT');
  await client.until(({ text }) => text === 'said to nobody');
  await upstream.answer();
  expect(await waiting.until(({ text }) => text.endsWith('late'))).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(await late.until(({ text }) => text.endsWith('done'))).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  // One turn that came two seconds late is no load.
  expect(product.output).not.toContain('"load"');
  for (const one of [client, waiting, late]) one.close();
  await once(late.socket, 'close');
});
