/** The gate before every dial, with names that change what they mean (S15, S16): nothing is dialled here. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AddressGuard } from '../../../gateway/address-guard.ts';
import { Deadlines } from '../../../gateway/deadlines.ts';
import { NameResolver, type Resolved } from '../../../gateway/name-resolver.ts';
import { OwnAddresses } from '../../../gateway/own-addresses.ts';
import { type DnsServer, startDnsServer } from '../../helpers/dns-server.ts';

let dns: DnsServer;
let resolver: NameResolver;
let own: OwnAddresses;
let now = 0;
let directory: string;

beforeEach(async () => {
  dns = await startDnsServer(() => 'nxdomain');
  directory = mkdtempSync(join(tmpdir(), 'sallyport-guard-'));
  writeFileSync(join(directory, 'hosts'), '127.0.0.1 gateway.internal\n192.0.2.9 elsewhere.internal\n');
  const clock = { nowMs: () => now, monotonicMs: () => now };
  resolver = new NameResolver({
    clock,
    deadlines: new Deadlines(),
    dnsTimeoutMs: 5_000,
    dnsServers: [dns.address],
    hostsPath: join(directory, 'hosts'),
  });
  own = new OwnAddresses((host) => resolver.known(host));
});
afterEach(async () => {
  resolver.close();
  rmSync(directory, { recursive: true });
  await dns.close();
});

function looked(host: string, port = 8080, allowPrivate = false): Promise<Resolved> {
  const guard = new AddressGuard(resolver, own, allowPrivate);
  return new Promise((resolve) => guard.lookup(host, port, resolve));
}

describe('a name', () => {
  test('that is public first and loopback then is refused then (S16)', async () => {
    dns.behave(({ nth }) => ({ addresses: [nth === 0 ? '8.8.8.8' : '127.0.0.1'], ttl: 0 }));
    expect(await looked('rebind.test')).toEqual([{ address: '8.8.8.8', family: 4 }]);
    now += 1_000;
    expect(await looked('rebind.test')).toBe('destination_denied');
  });

  test('is refused for any one of its addresses (S15)', async () => {
    dns.behave(() => ({ addresses: ['8.8.8.8', '1.1.1.1', '10.0.0.1', '2606:4700::1'] }));
    expect(await looked('mixed.test')).toBe('destination_denied');
    expect(await looked('mixed.test', 8080, true)).toHaveLength(4);
    dns.behave(() => ({ addresses: ['8.8.8.8', '2606:4700::1'] }));
    expect(await looked('public.test')).toHaveLength(2);
    dns.behave(() => ({ addresses: ['8.8.8.8', 'fe80::1'] }));
    expect(await looked('linked.test', 8080, true)).toBe('destination_denied');
  });

  test('of a metadata service is refused without asking for it', async () => {
    dns.behave(() => ({ addresses: ['8.8.8.8'] }));
    expect(await looked('Metadata.Google.Internal.', 80, true)).toBe('destination_denied');
    expect(dns.asked).toEqual([]);
  });

  test('that leads to ourselves is a loop rather than merely refused', async () => {
    own.guard(8080);
    dns.behave(() => ({ addresses: ['10.0.0.1', '127.0.0.5'] }));
    expect(await looked('loop.test')).toBe('loop_detected');
    expect(await looked('loop.test', 8081)).toBe('destination_denied');
  });
});

test('ourselves are known by every name that this machine gives itself, at our ports only', () => {
  own.guard(8080);
  // biome-ignore format: one list
  const ours = ['127.0.0.1', '127.8.9.10', '0.0.0.0', '::1', '::', '::ffff:127.0.0.1', 'LOCALHOST', 'a.localhost', 'Gateway.Internal', hostname()];
  expect(ours.filter((host) => !own.isOwn(host, 8080))).toEqual([]);
  expect(ours.filter((host) => own.isOwn(host, 8081))).toEqual([]);
  expect(['elsewhere.internal', '192.0.2.9', 'a.test', '128.0.0.1'].filter((host) => own.isOwn(host, 8080))).toEqual(
    [],
  );
});

test('a neighbour of a refused range is not refused', async () => {
  for (const host of [
    '172.15.255.255',
    '172.32.0.0',
    '100.63.255.254',
    '100.128.0.1',
    '169.253.255.255',
    '2001:db9::',
  ]) {
    expect(await looked(host), host).toEqual([{ address: host, family: host.includes(':') ? 6 : 4 }]);
  }
});

test('what shows without asking DNS is told at once', () => {
  const guard = new AddressGuard(resolver, own, false);
  own.guard(8080);
  expect(['localhost', '10.0.0.1', 'metadata', 'a.test', '8.8.8.8'].map((host) => guard.refusalOf(host, 80))).toEqual([
    'destination_denied', 'destination_denied', 'destination_denied', null, null,
  ]); // biome-ignore format: a row for a row
  expect(guard.refusalOf('localhost', 8080)).toBe('loop_detected');
});
