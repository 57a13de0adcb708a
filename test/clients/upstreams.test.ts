/**
 * Real upstreams that demand credentials, reached through the gateway by real
 * curl: what they log is whom the gateway said it was, and a wire tap in front
 * of each tells what else they were told.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CAUSES } from '../../src/core/cause.ts';
import { type CredentialedUpstream, type StartUpstream, startProxyChain } from '../helpers/credentialed-upstream.ts';
import { type CurlAnswer, curl, hasCurl } from '../helpers/curl.ts';
import { Product } from '../helpers/product.ts';
import { type RecordingRelay, startRecordingRelay } from '../helpers/recording-relay.ts';
import { SecretScan } from '../helpers/secret-scan.ts';
import { hasSquid, startSquid } from '../helpers/squid.ts';
import { makeCertificate, startTarget, type Target } from '../helpers/target.ts';
import { hasTinyproxy, startTinyproxy } from '../helpers/tinyproxy.ts';
import { eventually } from '../helpers/wire.ts';

const STATIC = { username: 'static-user', password: 'Static-Canary-7f31c0aa' };
const GATEWAY_PASSWORD = 'Gateway-Canary-90b2ee14';
const TOKENS = ['tok1', 'tok2'];
const rendered = (token: string): string => `customer-acme-session-${token}`;
const ACCOUNTS = new Map([
  [STATIC.username, STATIC.password],
  ...TOKENS.map((token) => [rendered(token), GATEWAY_PASSWORD] as const),
]);

const product = new Product();
const scan = new SecretScan();
const targets: { http: Target; https: Target } = {} as never;

beforeAll(async () => {
  await product.start();
  targets.http = await startTarget();
  targets.https = await startTarget(await makeCertificate());
  scan.plant('the API key of the client', product.bootstrap.apiKey);
});
afterAll(async () => {
  await product.destroy();
  await targets.http?.close();
  await targets.https?.close();
});

/** curl through the gateway, absolute-form for http and a tunnel for https. */
function through(selector: string, scheme: 'http' | 'https', path: string): Promise<CurlAnswer> {
  return curl('-v', '-k', '-x', product.proxyUrl(selector), `${targets[scheme].url}${path}`);
}

/** A request reached the target, and nothing in it tells of us or of any credential. */
function expectReached(scheme: 'http' | 'https', path: string): void {
  const seen = targets[scheme].seen.filter((request) => request.startsWith(`GET ${path}\n`));
  expect(seen).toHaveLength(1);
  expect(seen[0]!.toLowerCase()).not.toMatch(/proxy-authorization|sallyport|sp_live_/);
  expect(scan.find('the target', seen[0]!)).toEqual([]);
}

const upstreams: readonly { name: string; here: boolean; start: StartUpstream; needs?: string }[] = [
  { name: 'proxy-chain', here: true, start: startProxyChain },
  { name: 'squid', here: hasSquid, start: startSquid, needs: 'squid, its basic_ncsa_auth or openssl' },
  { name: 'tinyproxy', here: hasTinyproxy, start: startTinyproxy },
];

if (!hasCurl) test.skip('curl is not installed: skipped');

for (const { name, here, start, needs = name } of upstreams) {
  describe.skipIf(!here || !hasCurl)(here ? `through ${name}` : `${needs} is not installed: skipped`, () => {
    let upstream: CredentialedUpstream;
    let tap: RecordingRelay;
    const injected = new SecretScan();

    beforeAll(async () => {
      upstream = await start(ACCOUNTS);
      tap = await startRecordingRelay(upstream.port);
      const endpoint = { scheme: 'http', host: '127.0.0.1', port: tap.port };
      await addSession(`${name}-static`, { ...endpoint, ...STATIC, token: 's' });
      await addSession(`${name}-wrong`, { ...endpoint, ...STATIC, password: 'not-the-password', token: 'w' });
      await addGateway(`${name}-gateway`, GATEWAY_PASSWORD, endpoint);
      await addGateway(`${name}-refused`, 'not-the-password', endpoint);
      injected.plant('the static credential', `${STATIC.username}:${STATIC.password}`);
      for (const token of TOKENS) injected.plant(token, `${rendered(token)}:${GATEWAY_PASSWORD}`);
    });
    afterAll(async () => {
      await tap?.close();
      await upstream?.close();
    });

    /** Its log tells that this user asked for this target; a log without users tells that someone did. */
    async function expectLogged(user: string, scheme: 'http' | 'https'): Promise<void> {
      const authority = `127.0.0.1:${targets[scheme].port}`;
      const told = (line: string): boolean =>
        line.includes(authority) && (!upstream.namesUsers || line.startsWith(`${user} `));
      await eventually(`${name} logs ${user} for ${authority}`, () => upstream.log().split('\n').some(told));
    }

    test.each(['http', 'https'] as const)('a static session serves curl over %s as its own user', async (scheme) => {
      const path = `/${name}/static`;
      const { stdout, stderr } = await through(`${name}-static`, scheme, path);
      expect(stdout, stderr).toBe(`hello ${path}\n`);
      expectReached(scheme, path);
      await expectLogged(STATIC.username, scheme);
    });

    test.each(
      TOKENS.flatMap((token) => [
        ['http', token],
        ['https', token],
      ]) as ['http' | 'https', string][],
    )('a rotating gateway serves curl over %s as the user rendered for token %s', async (scheme, token) => {
      const path = `/${name}/gateway/${token}`;
      const { stdout, stderr } = await through(`${name}-gateway-session-${token}`, scheme, path);
      expect(stdout, stderr).toBe(`hello ${path}\n`);
      expectReached(scheme, path);
      await expectLogged(rendered(token), scheme);
    });

    test.each([
      ['a static session', `${name}-wrong`],
      ['a rotating gateway', `${name}-refused-session-tok1`],
    ])('%s with a wrong credential reaches nothing and tells curl whose fault it was', async (_what, selector) => {
      const before = targets.http.seen.length + targets.https.seen.length;
      const refusedTunnel = await through(selector, 'https', '/never');
      expect(refusedTunnel.code).toBe(56);
      expect(refusedTunnel.stderr).toMatch(/< HTTP\/1\.1 502 upstream_auth_failed/);
      expect(refusedTunnel.stderr).not.toMatch(/proxy-authenticate/i);
      const refused = await through(selector, 'http', '/never');
      expect(refused.stderr).not.toMatch(/proxy-authenticate/i);
      if (upstream.refusesPlainWith === 407) {
        expect(refused.stderr).toMatch(/< HTTP\/1\.1 502 upstream_auth_failed/);
        expect(refused.stdout.trimEnd()).toBe(CAUSES.upstream_auth_failed.sentence);
      } else {
        // A 401 may as well be the target's, and belongs to the client then.
        expect(refused.stderr).toMatch(/< HTTP\/1\.1 401 /);
      }
      expect(targets.http.seen.length + targets.https.seen.length).toBe(before);
    });

    test('the tap saw every credential of ours go by, and never the client’s', () => {
      const sent = tap.sent();
      const seen = injected.find('sent', sent);
      for (const what of ['the static credential', ...TOKENS]) {
        expect(seen).toContain(`sent: ${what}, base64 at 0`);
      }
      expect(scan.find('sent upstream', sent)).toEqual([]);
      expect(scan.find('answered by the upstream', tap.answered())).toEqual([]);
      expect(scan.find('its log', upstream.log())).toEqual([]);
    });
  });
}

describe.skipIf(!hasCurl)('through this machine’s own exit', () => {
  test.each(['http', 'https'] as const)('a LOCAL session serves curl over %s', async (scheme) => {
    const { stdout, stderr } = await through('local', scheme, '/local');
    expect(stdout, stderr).toBe('hello /local\n');
    expectReached(scheme, '/local');
  });
});

async function addSession(name: string, session: object): Promise<void> {
  const { pool } = await product.proxies('CreatePool', { name });
  await product.proxies('CreateSession', {
    poolId: pool.id,
    providerId: product.bootstrap.providerId,
    ...session,
  });
}

async function addGateway(name: string, password: string, endpoint: object): Promise<void> {
  const { pool } = await product.proxies('CreatePool', { name });
  const { provider } = await product.proxies('ConnectProvider', {
    type: 'PROVIDER_TYPE_GATEWAY',
    name,
    endpoint,
    usernameTemplate: rendered('{token}'),
    credentials: Buffer.from(password).toString('base64'),
  });
  for (const token of TOKENS) {
    await product.proxies('CreateSession', { poolId: pool.id, providerId: provider.id, token });
  }
}
