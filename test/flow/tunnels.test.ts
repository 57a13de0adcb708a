/**
 * Many tunnels through the whole product: what they cost while they are held,
 * that nothing of them is left, and what one that does not read can cost.
 */
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { full } from '../helpers/full.ts';
import { descriptorsOf, mib, residentBytes } from '../helpers/process-figures.ts';
import { Product } from '../helpers/product.ts';
import { TunnelUpstream } from '../helpers/tunnel-upstream.ts';
import { RawClient } from '../helpers/wire.ts';

const TUNNELS = full ? 8_000 : 800;
/** Tunnels that are being opened at the same time. */
const LANES = 64;
const STALLED = 20;
/** R6: what a client, or an upstream, that does not read may cost. */
const MAX_BYTES_EACH = 2 * 1_048_576;

const product = new Product({ SALLYPORT_ACCESS_LOG: 'false' });
let upstream: TunnelUpstream;
/** Every client of the test that runs. */
const open = new Set<RawClient>();
/** Descriptors of the product while nobody uses it; no test leaves it with more. */
let descriptors: number;

beforeAll(async () => {
  upstream = await TunnelUpstream.start();
  await product.start();
  const { poolId, providerId } = product.bootstrap;
  const endpoint = { scheme: 'http', host: '127.0.0.1', port: upstream.port };
  await product.proxies('CreateSession', { poolId, providerId, token: 's', ...endpoint, username: 'u', password: 'p' });
  // A fresh process: no connection of the calls above is among its descriptors.
  await product.stop();
  await product.start();
  descriptors = descriptorsOf(product.pid);
});
afterAll(async () => {
  await product.destroy();
  await upstream?.close();
});

async function connect(): Promise<RawClient> {
  const client = await RawClient.connect(product.gatewayPort);
  open.add(client);
  return client;
}

/** Opens a tunnel, or rejects with the answer. */
async function openTunnel(host: string): Promise<RawClient> {
  const client = await connect();
  client.send(
    `CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}:443\r\nProxy-Authorization: ${product.authorization('default')}\r\n\r\n`,
  );
  const head = await client.until(({ text }) => text.includes('\r\n\r\n'), 20_000);
  if (!head.startsWith('HTTP/1.1 200 ')) throw new Error(head);
  return client;
}

afterEach(async () => {
  for (const client of open) client.close();
  open.clear();
  await vi.waitFor(() => expect(descriptorsOf(product.pid)).toBe(descriptors), 10_000);
});

/** Does `act` for each number below `n`, some at a time. */
async function inLanes(n: number, act: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: LANES }, async () => {
      while (next < n) await act(next++);
    }),
  );
}

/** The gauge of open tunnels, over a connection that does not stay. */
async function tunnelsActive(): Promise<number> {
  const response = await fetch(`${product.controlUrl}/metrics`, { headers: { Connection: 'close' } });
  return Number(/^sallyport_tunnels_active\{pool="default"\} (\d+)$/m.exec(await response.text())?.[1]);
}

test(`${TUNNELS} idle tunnels are held, still carry octets, and leave no descriptor behind`, async ({ annotate }) => {
  const before = residentBytes(product.pid);

  const clients: RawClient[] = [];
  await inLanes(TUNNELS, async () => {
    clients.push(await openTunnel('echo.test'));
  });
  expect(await tunnelsActive()).toBe(TUNNELS);
  expect(descriptorsOf(product.pid)).toBeGreaterThanOrEqual(descriptors + 2 * TUNNELS);
  const held = residentBytes(product.pid);
  const each = (held - before) / TUNNELS;

  await inLanes(TUNNELS, async (i) => {
    const client = clients[i]!;
    client.text = '';
    await client.send(`over ${i}`).until(({ text }) => text.length >= `over ${i}`.length);
    expect(client.text).toBe(`over ${i}`);
  });
  // Every other one ends in order, the rest just go.
  for (const [i, client] of clients.entries()) {
    if (i % 2 === 0) client.socket.end();
    else client.close();
  }
  await Promise.all(clients.filter((_, i) => i % 2 === 0).map((client) => client.untilEnd()));
  for (const client of clients) client.close();

  await expect.poll(tunnelsActive, { timeout: 10_000 }).toBe(0);
  await expect.poll(() => descriptorsOf(product.pid), { timeout: 10_000 }).toBe(descriptors);
  expect((await upstream.state()).connections).toBe(0);
  await annotate(
    `RSS ${mib(before)} before, ${mib(held)} with ${TUNNELS} idle tunnels (${(each / 1_024).toFixed(1)} KiB each), ${mib(residentBytes(product.pid))} after`,
  );
  // R5; with fewer tunnels the heap's own growth is most of the figure.
  if (full) expect(each).toBeLessThanOrEqual(40 * 1_024);
}, 120_000);

/** A tunnel, or a plain request in absolute-form. */
type Kind = 'tunnel' | 'request';

const plain = (method: string, host: string, lines = ''): string =>
  `${method} http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: ${product.authorization('default')}\r\n${lines}\r\n`;

/** A client that reads nothing from the moment on which the flood reached it. */
async function stalledReader(kind: Kind): Promise<RawClient> {
  const client = kind === 'tunnel' ? await openTunnel('flood.test') : await connect();
  if (kind === 'request') client.send(plain('GET', 'flood.test'));
  await client.until(({ text }) => text.includes('\r\n\r\nx'));
  client.socket.pause();
  return client;
}

/** A client that writes as fast as the gateway takes it; what was taken is added to `sent`. */
async function pouringWriter(kind: Kind, sent: { bytes: number }): Promise<RawClient> {
  const client = kind === 'tunnel' ? await openTunnel('sink.test') : await connect();
  if (kind === 'request') client.send(plain('POST', 'sink.test', 'Content-Length: 1000000000000\r\n'));
  const chunk = Buffer.alloc(65_536, 'x');
  const pour = (): void => {
    while (client.socket.writable && client.socket.write(chunk, () => (sent.bytes += chunk.length)));
  };
  client.socket.on('drain', pour);
  pour();
  return client;
}

/** What a crowd costs from its first octet until its senders are held back. */
async function costOfCrowd(open: () => Promise<RawClient>, moved: () => Promise<number> | number): Promise<number> {
  const resident = residentBytes(product.pid);
  const before = await moved();
  for (let i = 0; i < STALLED; i++) await open();
  // A count that stands still is a sender that is held back; without that, nothing is bounded.
  let last = -1;
  const stands = async (): Promise<boolean> => {
    const was = last;
    last = await moved();
    return last === was;
  };
  await expect.poll(stands, { interval: 250, timeout: 15_000, message: 'the senders are held back' }).toBe(true);
  expect(last - before).toBeGreaterThan(STALLED * 65_536);
  return residentBytes(product.pid) - resident;
}

const flooded = async (): Promise<number> => (await upstream.state()).flooded;

test.for(['tunnel', 'request'] as const)(
  `clients that do not read a %s hold their upstream back, and cost at most 2 MiB each`,
  { timeout: 60_000 },
  async (kind, { annotate }) => {
    const readers: RawClient[] = [];
    const grown = await costOfCrowd(async () => {
      const reader = await stalledReader(kind);
      readers.push(reader);
      return reader;
    }, flooded);
    await annotate(`${STALLED} stalled readers of a ${kind}: RSS ${mib(grown)} more`);
    expect(grown).toBeLessThanOrEqual(STALLED * MAX_BYTES_EACH);
    // Held back, not broken: who reads again gets more.
    const [reader] = readers as [RawClient];
    const received = reader.text.length;
    reader.socket.resume();
    await reader.until(({ text }) => text.length > received + 8 * 1_048_576);
  },
);

test.for(['tunnel', 'request'] as const)(
  `an upstream that does not read a %s holds its clients back, and they cost at most 2 MiB each`,
  { timeout: 60_000 },
  async (kind, { annotate }) => {
    const sent = { bytes: 0 };
    const grown = await costOfCrowd(
      () => pouringWriter(kind, sent),
      () => sent.bytes,
    );
    await annotate(`${STALLED} stalled uploads by ${kind}: RSS ${mib(grown)} more`);
    expect(grown).toBeLessThanOrEqual(STALLED * MAX_BYTES_EACH);
    // A socket that nobody reads does not tell that its client has gone, but the upstream's end does.
    await upstream.drop();
  },
);
