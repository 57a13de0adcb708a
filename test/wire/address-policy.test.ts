/**
 * Where this machine connects to (c.5, S4): every address is checked on what is
 * dialled, for upstreams and for targets of LOCAL sessions alike. Nothing here is
 * meant to leave loopback: what would be allowed elsewhere is for the unit tests.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type DnsServer, startDnsServer } from '../helpers/dns-server.ts';
import { type GatewayRig, LOCAL, startGatewayRig, WORKSPACE } from '../helpers/gateway-rig.ts';
import { Product } from '../helpers/product.ts';
import {
  answerOk,
  converse,
  echoTunnel,
  eventually,
  RawClient,
  type RecordingUpstream,
  startRecordingUpstream,
} from '../helpers/wire.ts';

// biome-ignore format: the catalogue, one line a group
const REFUSED = [
  '127.0.0.1', '127.255.255.255', '0.0.0.0', 'localhost', 'LOCALHOST', 'localhost.', 'a.localhost',
  '10.0.0.0', '10.255.255.255', '172.16.0.1', '172.31.255.255', '192.168.0.1',
  '169.254.0.1', '169.254.169.254', '169.254.170.2', '169.254.169.123', '100.100.100.200', '192.0.0.192', 'fd00:ec2::254',
  'metadata.google.internal', 'metadata.google.internal.', 'METADATA.google.internal',
  '100.64.0.1', '100.127.255.255',
  '192.0.2.1', '198.51.100.1', '203.0.113.1', '198.18.0.1', '198.19.255.255', '192.88.99.1', '224.0.0.1', '240.0.0.1', '255.255.255.255',
  '::', '::1', 'fe80::1', 'fec0::1', 'fc00::1', 'fdff::1', 'ff02::1',
  '::ffff:127.0.0.1', '::ffff:7f00:1', '0:0:0:0:0:ffff:7f00:1', '::127.0.0.1', '64:ff9b::7f00:1', '64:ff9b:1::a9fe:a9fe',
  '2002:7f00:1::', '2001:0:7f00:1::1', '::ffff:0:a9fe:a9fe', '2001:db8::1', '3fff::1', '2001:2::1', '100::1', '5f00::1',
];
/** Never dialled, whatever the operator allows. */
// biome-ignore format: as above
const ALWAYS_REFUSED = [
  '169.254.0.1', '169.254.169.254', '100.100.100.200', '192.0.0.192', 'fd00:ec2::254', 'metadata.google.internal.', 'fe80::1',
  '::ffff:169.254.169.254', '64:ff9b::a9fe:a9fe', '64:ff9b:1::a9fe:a9fe', '2002:a9fe:a9fe::', '::ffff:0:a9fe:a9fe', '::169.254.1.1',
];

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);

let dns: DnsServer;
/** With upstreamsAllowPrivate off, and on. */
let strict: GatewayRig;
let open: GatewayRig;
let upstream: RecordingUpstream;

beforeAll(async () => {
  dns = await startDnsServer(() => 'nxdomain');
  upstream = await startRecordingUpstream();
  strict = await startGatewayRig({ upstreamsAllowPrivate: false, dnsServers: [dns.address] });
  const limits = { dnsTimeoutMs: 500, connectTimeoutMs: 200 };
  open = await startGatewayRig({ upstreamsAllowPrivate: true, dnsServers: [dns.address], limits });
});
/** Connections kept from before. */
let kept = 0;
const dialled = (): number => upstream.connections.length - kept;
beforeEach(() => {
  upstream.reset();
  upstream.behave(answerOk);
  kept = upstream.connections.length;
});
afterAll(async () => {
  await strict.close();
  await open.close();
  await upstream.close();
  await dns.close();
});

/** Session 1 of the rig is an upstream at this host. */
function through(rig: GatewayRig, host: string, port = upstream.port, scheme: 'http' | 'https' | 'socks5' = 'http') {
  rig.put(1, port, { endpoint: { scheme, host, port } });
}

/** Session 1 of the rig goes out from this machine. */
function locally(rig: GatewayRig): void {
  rig.put(1, 0, { providerId: LOCAL, endpoint: null, username: null, password: null });
}

/** The first line of the answer to a request that ends with one of ours. */
async function refusal(rig: GatewayRig, line: string): Promise<string> {
  const client = await converse(rig.port, rig.head(line, ['Connection: close']));
  return client.text.split('\r\n')[0]!;
}

async function answered(rig: GatewayRig, line: string): Promise<string> {
  const client = await RawClient.connect(rig.port);
  await client.send(rig.head(line)).until((c) => c.text.endsWith('ok') || c.text.includes('.\n'));
  client.close();
  return client.text.split('\r\n')[0]!;
}

describe('an upstream', () => {
  test.each(REFUSED)('at %s is not dialled', async (host) => {
    through(strict, host);
    expect(await refusal(strict, 'GET http://a.test/')).toBe('HTTP/1.1 403 destination_denied');
    expect(await refusal(strict, 'CONNECT a.test:443')).toBe('HTTP/1.1 403 destination_denied');
    expect(dialled()).toBe(0);
  });

  test.each(['https', 'socks5'] as const)('of scheme %s neither', async (scheme) => {
    through(strict, '127.0.0.1', upstream.port, scheme);
    expect(await refusal(strict, 'GET http://a.test/')).toBe('HTTP/1.1 403 destination_denied');
    expect(dialled()).toBe(0);
  });

  // The API stores none of these (test/unit/control/host.test.ts); if one came here, it would be a name like any other.
  test.each([
    '127.1',
    '2130706433',
    '0x7f000001',
    '0x7f.1',
    '0177.0.0.1',
    '017700000001',
    '0',
    '１２７.0.0.1',
    '127。0。0。1',
  ])('in the odd spelling %s is a name, and what it resolves to is checked', async (host) => {
    through(strict, host);
    dns.behave(() => ({ addresses: ['127.0.0.1'], ttl: 0 }));
    expect(await refusal(strict, 'GET http://a.test/')).toMatch(
      /^HTTP\/1\.1 (?:403 destination_denied|502 upstream_dns)$/,
    );
    expect(dialled()).toBe(0);
  });

  test.each(['fe80::1%eth0', '::1%lo', '2606:4700:4700::1111%eth0'])(
    'with a zone, %s, is not dialled',
    async (host) => {
      through(open, host);
      expect(await refusal(open, 'GET http://a.test/')).toBe('HTTP/1.1 403 destination_denied');
    },
  );

  test.each(ALWAYS_REFUSED)('at %s is not dialled by whatever is allowed', async (host) => {
    through(open, host);
    expect(await refusal(open, 'GET http://a.test/')).toBe('HTTP/1.1 403 destination_denied');
  });

  test.each(['127.0.0.1', 'localhost', 'up.test', '::ffff:127.0.0.1'])(
    'at %s is, where private ones are',
    async (host) => {
      dns.behave(({ name }) => (name === 'up.test' ? { addresses: ['127.0.0.1'] } : 'nxdomain'));
      through(open, host);
      expect(await answered(open, 'GET http://a.test/')).toBe('HTTP/1.1 200 OK');
      upstream.behave(echoTunnel);
      const client = await RawClient.connect(open.port);
      await client.send(open.head('CONNECT a.test:443')).until((c) => c.text.endsWith('\r\n\r\n'));
      await client.send('hello').until((c) => c.text.endsWith('hello'));
      client.close();
    },
  );

  test.each([
    ['a public and a private address', ['8.8.8.8', '10.0.0.1']],
    ['a private address of the other family', ['8.8.8.8', '::1']],
    ['a public address and a mapped private one', ['8.8.8.8', '::ffff:10.0.0.1']],
    ['only a private address', ['192.168.1.1']],
  ])('whose name has %s is refused whole (S15)', async (_, addresses) => {
    const host = `n${addresses.join('').replace(/\W/g, '-')}.test`;
    dns.behave(() => ({ addresses }));
    through(strict, host);
    expect(await refusal(strict, 'GET http://a.test/')).toBe('HTTP/1.1 403 destination_denied');
  });

  test('whose name is an alias of localhost is refused (S17)', async () => {
    dns.behave(() => ({ addresses: ['127.0.0.1', '::1'], cname: 'localhost' }));
    through(strict, 'alias.test');
    expect(await refusal(strict, 'GET http://a.test/')).toBe('HTTP/1.1 403 destination_denied');
    expect(dialled()).toBe(0);
  });

  test('whose name leads elsewhere the second time is checked the second time (S16, U30)', async () => {
    dns.behave(({ nth }) => ({ addresses: [nth === 0 ? '127.0.0.1' : '169.254.169.254'], ttl: 0 }));
    through(open, 'rebind.test');
    upstream.behave(({ socket, text }) => {
      if (text.endsWith('\r\n\r\n')) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok');
    });
    expect(await answered(open, 'GET http://a.test/')).toBe('HTTP/1.1 200 OK');
    // The shortest time an answer lives is a second.
    let status = '';
    const until = performance.now() + 3_000;
    while (!status.includes('403') && performance.now() < until) status = await answered(open, 'GET http://a.test/');
    expect(status).toBe('HTTP/1.1 403 destination_denied');
  });

  test('is found at the one of its addresses that answers', async () => {
    // The recording upstream listens on 127.0.0.1 alone.
    dns.behave(() => ({ addresses: ['127.0.0.9', '127.0.0.1'] }));
    through(open, 'two.test');
    expect(await answered(open, 'GET http://a.test/')).toBe('HTTP/1.1 200 OK');
    dns.behave(() => ({ addresses: ['127.0.0.8', '127.0.0.9'] }));
    through(open, 'none.test');
    expect(await refusal(open, 'GET http://a.test/')).toBe('HTTP/1.1 502 upstream_refused');
  });

  test('whose name is slow to resolve has the whole time to connect after that', async () => {
    // Both families, and however often they are asked for: DNS takes longer than connecting may.
    const { promise: resolved, resolve } = Promise.withResolvers<void>();
    dns.behave(async ({ type, nth }) => {
      if (type === 'A' && nth === 0) setTimeout(resolve, 350);
      await resolved;
      return { addresses: ['127.0.0.1'] };
    });
    through(open, 'slow.test');
    expect(await answered(open, 'GET http://a.test/')).toBe('HTTP/1.1 200 OK');
  });

  test('whose name is never answered for ends with upstream_dns', async () => {
    dns.behave(() => 'silent');
    through(open, 'silent.test');
    const started = performance.now();
    expect(await refusal(open, 'GET http://a.test/')).toBe('HTTP/1.1 502 upstream_dns');
    expect(performance.now() - started).toBeGreaterThanOrEqual(450);
    expect(performance.now() - started).toBeLessThan(1_500);
  });

  test('is let go of by a client that leaves while its name is looked up', async () => {
    const { promise: held, resolve: answer } = Promise.withResolvers<void>();
    dns.behave(async () => {
      await held;
      return { addresses: ['127.0.0.1'] };
    });
    through(open, 'left.test');
    const before = open.counted('client_gone');
    const client = await RawClient.connect(open.port);
    client.send(open.head('CONNECT a.test:443'));
    await eventually('it is looked up', () => dns.asked.some(({ name }) => name === 'left.test'));
    client.close();
    await eventually('it is counted', () => open.counted('client_gone') === before + 1);
    answer();
    await eventually('nothing is held', () => open.gateway.holdings().inFlight === 0);
    expect(dialled()).toBe(0);
  });
});

describe('a target through a LOCAL session', () => {
  test.each(REFUSED)('at %s is not dialled', async (host) => {
    locally(strict);
    const authority = `${bracketed(host)}:${upstream.port}`;
    expect(await refusal(strict, `CONNECT ${authority}`)).toBe('HTTP/1.1 403 destination_denied');
    expect(await refusal(strict, `GET http://${authority}/`)).toBe('HTTP/1.1 403 destination_denied');
    expect(dialled()).toBe(0);
  });

  test.each(['127.1', '2130706433', '0x7f000001', '0x7f.1', '0177.0.0.1', '017700000001', '0', '127.0.0.1.'])(
    'in the odd spelling %s is the address that it means',
    async (host) => {
      locally(strict);
      expect(await refusal(strict, `CONNECT ${host}:${upstream.port}`)).toBe('HTTP/1.1 403 destination_denied');
      expect(dialled()).toBe(0);
    },
  );

  test.each([
    '①②⑦.⓪.⓪.①',
    '１２７.0.0.1',
    '127。0。0。1',
    '[::1%lo]',
    '[fe80::1%25eth0]',
    '127.0.0.1..',
    'evil@127.0.0.1',
  ])('%s is no target at all', async (host) => {
    locally(strict);
    const head = Buffer.from(strict.head(`CONNECT ${host}:443`, ['Connection: close']));
    const client = await converse(strict.port, head);
    expect(client.text).toMatch(/^HTTP\/1\.1 400 bad_request\r\n/);
  });

  test.each(ALWAYS_REFUSED)('at %s is not dialled by whatever is allowed', async (host) => {
    locally(open);
    expect(await refusal(open, `CONNECT ${bracketed(host)}:80`)).toBe('HTTP/1.1 403 destination_denied');
  });

  test('whose name has one address that is refused is refused', async () => {
    dns.behave(() => ({ addresses: ['8.8.8.8', '10.0.0.1'] }));
    locally(strict);
    expect(await refusal(strict, 'GET http://mixed.test/')).toBe('HTTP/1.1 403 destination_denied');
  });

  test('is reached by its name, and one without an address is target_unreachable', async () => {
    dns.behave(({ name }) => (name === 'target.test' ? { addresses: ['127.0.0.1'] } : 'nxdomain'));
    locally(open);
    expect(await answered(open, `GET http://target.test:${upstream.port}/`)).toBe('HTTP/1.1 200 OK');
    expect(await refusal(open, 'GET http://nowhere.test/')).toBe('HTTP/1.1 502 target_unreachable');
  });

  test('is reached from an address of the session where it has one of that family', async () => {
    dns.behave(({ name }) => ({ addresses: name === 'six.test' ? ['::1'] : ['127.0.0.1', '::1'] }));
    const fields = { providerId: LOCAL, endpoint: null, username: null, password: null, localAddress: '127.0.0.7' };
    open.put(1, 0, fields);
    expect(await answered(open, `GET http://both.test:${upstream.port}/`)).toBe('HTTP/1.1 200 OK');
    expect(upstream.connections.at(-1)!.socket.remoteAddress).toBe('127.0.0.7');
    expect(await refusal(open, `CONNECT six.test:${upstream.port}`)).toBe('HTTP/1.1 502 target_unreachable');
  });
});

test('a target that a LOCAL session was to reach is let go of by a client that leaves while its name is looked up', async () => {
  const { promise: held, resolve: answer } = Promise.withResolvers<void>();
  dns.behave(async () => {
    await held;
    return { addresses: ['127.0.0.1'] };
  });
  locally(open);
  const client = await RawClient.connect(open.port);
  client.send(open.head(`CONNECT left-local.test:${upstream.port}`));
  await eventually('it is looked up', () => dns.asked.some(({ name }) => name === 'left-local.test'));
  client.close();
  await eventually('nothing is held', () => open.gateway.holdings().inFlight === 0);
  answer();
  // The answer is in once it is known without asking: whatever was dialled for it is over soon.
  await eventually('it is known', () => dns.asked.filter(({ name }) => name === 'left-local.test').length >= 2);
  expect(await answered(open, `GET http://left-local.test:${upstream.port}/`)).toBe('HTTP/1.1 200 OK');
  await eventually('what was dialled is closed', () => {
    const left = upstream.connections.slice(kept).filter(({ socket, text }) => !socket.destroyed && text === '');
    return left.length === 0;
  });
});

describe('the explanation of a request says the same of', () => {
  const explained = (rig: GatewayRig, targetHost = 'a.test') =>
    rig.gateway.explain({ workspaceId: WORKSPACE, username: 'default', targetHost, targetPort: 443 }).cause;

  test('an upstream', () => {
    through(strict, '10.0.0.1');
    expect(explained(strict)).toBe('destination_denied');
    through(open, '10.0.0.1');
    expect(explained(open)).toBeNull();
    through(open, 'metadata.google.internal');
    expect(explained(open)).toBe('destination_denied');
  });

  test('a target of a LOCAL session', () => {
    locally(strict);
    expect(explained(strict, '127.1')).toBe('destination_denied');
    expect(explained(strict)).toBeNull();
  });
});

test('two hundred upstreams whose names nobody answers for do not hold up one that has an address (R-17)', async () => {
  dns.behave(({ name }) => (name.startsWith('dead') ? 'silent' : { addresses: ['127.0.0.1'] }));
  const rig = await startGatewayRig({ dnsServers: [dns.address] });
  const waiting: RawClient[] = [];
  for (let n = 1; n <= 200; n++) {
    rig.put(n, 1, { endpoint: { scheme: 'http', host: `dead-${n}.test`, port: 80 } });
    waiting.push(
      (await RawClient.connect(rig.port)).send(rig.head('CONNECT a.test:443', [], `default-session-token-${n}`)),
    );
  }
  await eventually('all are looked up', () => rig.gateway.holdings().placed === 200);
  rig.put(201, 1, { endpoint: { scheme: 'http', host: 'live.test', port: upstream.port } });
  const started = performance.now();
  const client = await RawClient.connect(rig.port);
  await client
    .send(rig.head('GET http://a.test/', [], 'default-session-token-201'))
    .until((c) => c.text.endsWith('ok'));
  expect(performance.now() - started).toBeLessThan(1_000);
  expect(waiting.filter(({ text }) => text !== '')).toEqual([]);
  for (const one of [client, ...waiting]) one.close();
  await rig.close();
});

test('the product looks names up where it is told to, and refuses what is private when told to', async () => {
  dns.behave(({ name }) => (name === 'inside.test' ? { addresses: ['127.0.0.1'] } : 'nxdomain'));
  const env = { SALLYPORT_DNS_SERVERS: dns.address, SALLYPORT_UPSTREAMS_ALLOW_PRIVATE: 'false' };
  const product = new Product(env);
  try {
    await product.start();
    const credential = `Proxy-Authorization: ${product.authorization('local')}`;
    for (const host of ['inside.test', '127.0.0.1', 'localhost']) {
      const head = [
        `GET http://${host}:${upstream.port}/ HTTP/1.1`,
        'Host: a.test',
        credential,
        'Connection: close',
        '',
        '',
      ];
      const client = await converse(product.gatewayPort, head.join('\r\n'));
      expect(client.text, host).toMatch(/^HTTP\/1\.1 403 destination_denied\r\n/);
    }
    expect(dns.asked.map(({ name }) => name)).toContain('inside.test');
    expect(dialled()).toBe(0);
  } finally {
    await product.destroy();
  }
});

test('an upstream that is ourselves is a loop, by address and by name', async () => {
  dns.behave(() => ({ addresses: ['127.0.0.1'] }));
  for (const host of ['127.0.0.1', '127.9.9.9', '0.0.0.0', 'localhost', '::1', '::ffff:127.0.0.1', 'ourselves.test']) {
    through(open, host, open.port);
    const before = open.gateway.snapshot().clientConnections;
    expect(await refusal(open, 'GET http://a.test/'), host).toBe('HTTP/1.1 508 loop_detected');
    expect(await refusal(open, 'CONNECT a.test:443'), host).toBe('HTTP/1.1 508 loop_detected');
    expect(open.gateway.snapshot().clientConnections).toBeLessThanOrEqual(before + 1);
  }
});
