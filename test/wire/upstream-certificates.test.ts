/**
 * Whom an `https` upstream may be (S16): certificates that name the host and come from a
 * known authority, and every kind that does not. A session with `tlsInsecure` takes
 * those, but no TLS older than 1.2.
 */
import type { TlsOptions } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type CertificateFields, type Credential, makeAuthority, makeCredential } from '../helpers/certificates.ts';
import { type GatewayRig, startGatewayRig } from '../helpers/gateway-rig.ts';
import { startTlsUpstream, type TlsUpstream } from '../helpers/tls-upstream.ts';
import { converse, eventually, RawClient } from '../helpers/wire.ts';

let rig: GatewayRig;
let authority: Credential;
/** Whoever has an RSA key here needs an issuer that has one too. */
let rsaAuthority: Credential;
let upstream: TlsUpstream | null = null;

beforeAll(async () => {
  authority = await makeAuthority('a known authority');
  rsaAuthority = await makeCredential({ commonName: 'a known authority with RSA', isAuthority: true, rsaBits: 2_048 });
  rig = await startGatewayRig({ upstreamAuthorities: [authority.cert, rsaAuthority.cert] });
});
afterEach(async () => {
  // Kept connections belong to the upstream that goes.
  rig.remove(1);
  await upstream?.close();
});
afterAll(() => rig.close());

/** Names below `localhost` lead to this machine (RFC 6761 section 6.3). */
const NAME = 'proxy.example.localhost';
const DAY_MS = 86_400_000;
const from = (days: number): Date => new Date(Date.now() + days * DAY_MS);

function issue(fields: CertificateFields): Promise<Credential> {
  return makeCredential({ issuer: authority, purpose: 'serverAuth', ...fields });
}

/** Starts an upstream, and makes it session 1 under the name `host`. */
async function serve(host: string, options: TlsOptions, tlsInsecure = false, at = '127.0.0.1'): Promise<TlsUpstream> {
  upstream = await startTlsUpstream(options, at);
  rig.put(1, 1, { endpoint: { scheme: 'https', host, port: upstream.port }, tlsInsecure });
  return upstream;
}

async function expectServed(): Promise<void> {
  const plain = await converse(rig.port, rig.head('GET http://a.test/', ['Connection: close']));
  expect(plain.text).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*ok$/);
  const tunnel = await RawClient.connect(rig.port);
  await tunnel.send(rig.head('CONNECT a.test:443')).until((c) => c.text.includes('\r\n\r\n'));
  expect(tunnel.text).toMatch(/^HTTP\/1\.1 200 /);
  tunnel.close();
}

/** Both kinds of request end in `upstream_tls`, and the upstream was told nothing. */
async function expectRefused(): Promise<void> {
  for (const line of ['GET http://a.test/', 'CONNECT a.test:443']) {
    const client = await converse(rig.port, rig.head(line, ['Connection: close']));
    expect(client.text).toMatch(/^HTTP\/1\.1 502 upstream_tls\r\n/);
    expect(client.text).toContain('Proxy-Status: sallyport; error=tls_protocol_error; details="upstream_tls"');
  }
  expect(upstream!.connections()).toBe(2);
  expect(upstream!.received()).toBe('');
  await eventually('its connections are over', () => upstream!.open() === 0);
  await eventually('nothing is under way', () => rig.gateway.holdings().inFlight === 0);
}

describe('an upstream is served by', () => {
  test.each([
    ['its name', NAME, ['DNS:other.test', `DNS:${NAME}`], '127.0.0.1'],
    ['a wildcard one level above it', NAME, ['DNS:*.example.localhost'], '127.0.0.1'],
    ['its IPv4 address', '127.0.0.1', ['IP:127.0.0.1'], '127.0.0.1'],
    ['its IPv6 address', '::1', ['IP:::1'], '::1'],
  ])('%s', async (_, host, names, at) => {
    const { handshakes } = await serve(host, await issue({ names, commonName: 'somebody' }), false, at);
    await expectServed();
    const servername = host === NAME ? NAME : false;
    expect(handshakes).toEqual([0, 1].map(() => ({ servername, version: 'TLSv1.3', resumed: false })));
  });

  test('a key of RSA', async () => {
    await serve(NAME, await issue({ names: [`DNS:${NAME}`], rsaBits: 2_048, issuer: rsaAuthority }));
    await expectServed();
  });

  test('an authority under a known one, when it shows both', async () => {
    const between = await makeAuthority('in between', authority);
    const { cert, key } = await issue({ names: [`DNS:${NAME}`], issuer: between });
    await serve(NAME, { cert: `${cert}\n${between.cert}`, key });
    await expectServed();
  });

  test('the certificate that it chooses by the name that is asked for', async () => {
    const right = await issue({ names: [`DNS:${NAME}`] });
    const wrong = await issue({ names: ['DNS:default.test'] });
    const { createSecureContext } = await import('node:tls');
    const SNICallback: NonNullable<TlsOptions['SNICallback']> = (name, done) =>
      done(null, name === NAME ? createSecureContext(right) : undefined);
    await serve(NAME, { ...wrong, SNICallback });
    await expectServed();
  });

  test('TLS 1.2, each connection with a handshake of its own', async () => {
    const { handshakes } = await serve(NAME, { ...(await issue({ names: [`DNS:${NAME}`] })), maxVersion: 'TLSv1.2' });
    await expectServed();
    await expectServed();
    expect(handshakes.length).toBeGreaterThanOrEqual(3);
    expect(handshakes.every(({ resumed, version }) => !resumed && version === 'TLSv1.2')).toBe(true);
  });
});

/** What is wrong, the host of the session, and what its upstream shows. */
const BAD: readonly (readonly [what: string, host: string, make: () => Promise<TlsOptions>])[] = [
  ['another name', NAME, () => issue({ names: ['DNS:other.example.localhost'] })],
  ['another name, the right one as common name', NAME, () => issue({ names: ['DNS:other.test'], commonName: NAME })],
  ['its name as common name only', NAME, () => issue({ commonName: NAME })],
  ['its name in a URI, and as common name', NAME, () => issue({ names: [`URI:https://${NAME}/`], commonName: NAME })],
  ['a wildcard for what is below it', 'example.localhost', () => issue({ names: ['DNS:*.example.localhost'] })],
  ['a wildcard two levels above it', `a.${NAME}`, () => issue({ names: ['DNS:*.example.localhost'] })],
  ['a wildcard of a top level', 'proxy.localhost', () => issue({ names: ['DNS:*.localhost'] })],
  ['a wildcard of everything', NAME, () => issue({ names: ['DNS:*'] })],
  ['its address as a name', '127.0.0.1', () => issue({ names: ['DNS:127.0.0.1'], commonName: '127.0.0.1' })],
  ['another address', '127.0.0.1', () => issue({ names: ['IP:127.0.0.2', `DNS:${NAME}`] })],
  ['an address where it has a name', NAME, () => issue({ names: ['IP:127.0.0.1'] })],
  ['a certificate for whoever asks without SNI', NAME, async () => ({
    ...(await issue({ names: ['DNS:default.test'] })),
    SNICallback: (_name, done) => done(null, undefined),
  })],
  ['an expired certificate', NAME, () => issue({ names: [`DNS:${NAME}`], notBefore: from(-20), notAfter: from(-1) })],
  ['one that is not valid yet', NAME, () => issue({ names: [`DNS:${NAME}`], notBefore: from(1), notAfter: from(20) })],
  ['a self-signed certificate', NAME, () => makeCredential({ names: [`DNS:${NAME}`] })],
  ['an unknown authority', NAME, async () =>
    issue({ names: [`DNS:${NAME}`], issuer: await makeAuthority('an unknown authority') })],
  ['an unknown authority of a known name', NAME, async () =>
    issue({ names: [`DNS:${NAME}`], issuer: await makeAuthority('a known authority') })],
  ['an authority in between that it does not show', NAME, async () =>
    issue({ names: [`DNS:${NAME}`], issuer: await makeAuthority('in between', authority) })],
  ['an issuer that is no authority', NAME, async () => {
    const leaf = await issue({ names: ['DNS:leaf.test'], commonName: 'a leaf' });
    const { cert, key } = await issue({ names: [`DNS:${NAME}`], issuer: leaf });
    return { cert: `${cert}\n${leaf.cert}`, key };
  }],
  ['a certificate for clients', NAME, () => issue({ names: [`DNS:${NAME}`], purpose: 'clientAuth' })],
  ['a signature with SHA-1', NAME, async () => ({
    ...(await issue({ names: [`DNS:${NAME}`], hash: 'sha1' })),
    ciphers: 'DEFAULT@SECLEVEL=0',
  })],
  ['a key of 1,024 bits', NAME, async () => ({
    ...(await issue({ names: [`DNS:${NAME}`], rsaBits: 1_024, issuer: rsaAuthority })),
    ciphers: 'DEFAULT@SECLEVEL=0',
  })],
]; // biome-ignore format: one kind a row

describe.each(BAD)('%s', (_, host, make) => {
  test('is refused as upstream_tls, and taken by a session that does not check', async () => {
    const options = await make();
    await serve(host, options);
    await expectRefused();
    await upstream!.close();
    await serve(host, options, true);
    await expectServed();
  });
});

describe.each([false, true])('with tlsInsecure %s', (tlsInsecure) => {
  test.each(['TLSv1', 'TLSv1.1'] as const)('%s is refused', async (version) => {
    const credential = await issue({ names: [`DNS:${NAME}`] });
    // The level of security at which OpenSSL speaks these at all.
    await serve(
      NAME,
      { ...credential, minVersion: 'TLSv1', maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' },
      tlsInsecure,
    );
    await expectRefused();
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'an upstream that wants a certificate of ours is refused (%s)',
    async (version) => {
      const credential = await issue({ names: [`DNS:${NAME}`] });
      const wanting = { requestCert: true, rejectUnauthorized: true, ca: authority.cert, maxVersion: version };
      await serve(NAME, { ...credential, ...wanting }, tlsInsecure);
      for (const line of ['GET http://a.test/', 'CONNECT a.test:443']) {
        const client = await converse(rig.port, rig.head(line, ['Connection: close']));
        expect(client.text).toMatch(/^HTTP\/1\.1 502 upstream_tls\r\n/);
      }
    },
  );
});

test('turning the check on again is in force for the next request, kept connections or not', async () => {
  const { handshakes } = await serve(NAME, await makeCredential({ names: [`DNS:${NAME}`] }), true);
  await expectServed();
  rig.put(1, 1, { endpoint: { scheme: 'https', host: NAME, port: upstream!.port }, tlsInsecure: false });
  const before = handshakes.length;
  const { text } = await converse(rig.port, rig.head('GET http://a.test/', ['Connection: close']));
  expect(text).toMatch(/^HTTP\/1\.1 502 upstream_tls\r\n/);
  expect(handshakes.length).toBe(before);
});
