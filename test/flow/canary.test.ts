/**
 * Planted secrets and where they must not turn up: every secret that the product
 * is given, rightly or by mistake, is a canary; every byte that it then writes or
 * answers is searched for each of them in every form that `secret-scan.ts` knows.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Product } from '../helpers/product.ts';
import { SecretScan } from '../helpers/secret-scan.ts';
import { converse, RawClient, type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

const product = new Product({ SALLYPORT_LOG_LEVEL: 'debug' });
const scan = new SecretScan();
/** What is no secret and must be found: proof that the scan looks where things are written. */
const markers = new SecretScan();
/** Everything that came back from the RPCs, the plain pages, and the proxy port. */
const rpcAnswers: string[] = [];
const gatewayAnswers: string[] = [];
let upstream: RecordingUpstream;
/** What the first start printed for the eyes of the operator: the one place where the key may stand. */
let firstRunText = '';

beforeAll(async () => {
  upstream = await startRecordingUpstream(({ socket, text }, chunk) => {
    if (!chunk.toString('latin1').endsWith('\r\n\r\n')) return;
    const request = text.slice(text.slice(0, -4).lastIndexOf('\r\n\r\n') + 1).trimStart();
    const credential = /^proxy-authorization: (.*)$/im.exec(request)?.[1] ?? '';
    // A hostile upstream throws our credential back at us, in every part of an answer that refuses.
    const echo = `HTTP/1.1 407 ${credential}\r\nProxy-Authenticate: Basic realm="${credential}"\r\nContent-Length: 0\r\n\r\n`;
    if (request.includes('refused.test')) socket.end(echo);
    else if (request.includes('garbage.test')) socket.end(`${credential} is no HTTP\r\n\r\n`);
    else if (request.startsWith('CONNECT')) socket.end(`HTTP/1.1 503 ${credential}\r\nX: ${credential}\r\n\r\n`);
    else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
  await product.start();
});
afterAll(async () => {
  await product.destroy();
  await upstream?.close();
});

/** A secret that no other text resembles, with what JSON and URLs escape; looked for from now on. */
function plant(name: string, shape: (random: string) => string = (random) => `cn"${random}+/é`): string {
  const value = shape(randomBytes(13).toString('hex'));
  scan.plant(name, value);
  return value;
}

const keyShaped = (random: string): string => `sp_live_${random.padEnd(48, random)}`;
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** POSTs to an RPC whatever octets; what comes back is kept for the scan. Answers the status. */
async function post(
  method: string,
  body: unknown,
  headers: Record<string, string> = {},
  keep = true,
): Promise<{ status: number; text: string }> {
  const response = await fetch(`${product.controlUrl}/${method}`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      Authorization: `Bearer ${product.bootstrap.apiKey}`,
      ...headers,
    },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  if (keep) rpcAnswers.push([...response.headers].join('\n'), text);
  return { status: response.status, text };
}

/** Sends octets to the proxy port, and keeps what comes back up to the end. */
async function proxy(...lines: string[]): Promise<string> {
  const { text } = await converse(product.gatewayPort, `${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`);
  gatewayAnswers.push(text);
  return text;
}

const get = (host: string, authorization: string, ...more: string[]): Promise<string> =>
  proxy(`GET http://${host}/ HTTP/1.1`, `Host: ${host}`, `Proxy-Authorization: ${authorization}`, ...more);

const SESSION = 'proxies.v1.Proxies/CreateSession';

function session(more: object): object {
  const { workspaceId, poolId, providerId } = product.bootstrap;
  const endpoint = { scheme: 'http', host: '127.0.0.1', port: upstream.port };
  return { workspaceId, poolId, providerId, token: 'planted', ...endpoint, username: 'canary-username', ...more };
}

test('the first start shows the key on paper for the operator, and the scan finds it there', () => {
  const { apiKey } = product.bootstrap;
  scan.plant('the bootstrap key', apiKey);
  const masterKey = readFileSync(join(product.dataDir, 'master.key'), 'utf8').trim();
  scan.plant('the master key', Buffer.from(masterKey, 'base64'));
  expect(scan.find('master.key', masterKey)).toContain('master.key: the master key, base64 at 0');
  const lines = product.output.split('\n');
  firstRunText = lines.filter((line) => !line.startsWith('{')).join('\n');
  expect(scan.find('printed', firstRunText)).toContain('printed: the bootstrap key, as it is');
  product.output = lines
    .filter((line) => line.startsWith('{'))
    .map((line) => `${line}\n`)
    .join('');
});

test('secrets rightly given are used, and are not told again', async () => {
  const password = plant('a session’s password');
  expect((await post(SESSION, session({ password }))).status).toBe(200);
  markers.plant('a session’s username', 'canary-username');

  const provider = plant('a provider’s credentials');
  const { workspaceId, poolId } = product.bootstrap;
  const endpoint = { scheme: 'http', host: '127.0.0.1', port: upstream.port };
  const connected = await post('proxies.v1.Proxies/ConnectProvider', {
    ...{ workspaceId, type: 'PROVIDER_TYPE_GATEWAY', endpoint },
    ...{ usernameTemplate: 'customer-{token}', credentials: base64(provider) },
  });
  const { id: providerId } = JSON.parse(connected.text).provider;
  expect((await post(SESSION, { workspaceId, poolId, providerId, token: 'rotating' })).status).toBe(200);

  // The one answer that carries a key.
  const request = { workspaceId, name: 'canary', policies: ['gateway', 'proxies'] };
  const made = await post('accounts.v1.Accounts/CreateAPIKey', request, {}, false);
  const { rawKey, apiKey } = JSON.parse(made.text);
  scan.plant('a made key', rawKey);
  expect(scan.find('the answer', made.text)).not.toEqual([]);
  await post('proxies.v1.Proxies/ListSessions', { workspaceId }, { Authorization: `Bearer ${rawKey}` });

  const cookie = plant('a target’s cookie');
  for (const token of ['planted', 'rotating']) {
    const selector = `Basic ${base64(`default-session-${token}:${rawKey}`)}`;
    const query = encodeURIComponent(plant(`a query for ${token}`));
    expect(await get('a.test', selector, `Cookie: ${encodeURIComponent(cookie)}`)).toMatch(/^HTTP\/1\.1 200 /);
    expect(
      await proxy(`GET http://a.test/?token=${query} HTTP/1.1`, 'Host: a.test', `Proxy-Authorization: ${selector}`),
    ).toMatch(/^HTTP\/1\.1 200 /);
    for (const host of ['refused.test', 'garbage.test']) {
      expect(await get(host, selector)).toMatch(/^HTTP\/1\.1 502 /);
      const connect = [`CONNECT ${host}:443 HTTP/1.1`, `Host: ${host}:443`, `Proxy-Authorization: ${selector}`];
      expect(await proxy(...connect)).toMatch(/^HTTP\/1\.1 502 /);
    }
  }
  const seen = scan.find('upstream', upstream.received());
  expect(seen.some((hit) => hit.includes('a session’s password'))).toBe(true);
  expect(seen.some((hit) => hit.includes('a provider’s credentials'))).toBe(true);
  expect(seen.filter((hit) => hit.includes('key,'))).toEqual([]);

  const { sessionIds } = JSON.parse((await post('proxies.v1.Proxies/ListSessions', { workspaceId })).text);
  await post('proxies.v1.Proxies/BatchGetSessions', { workspaceId, sessionIds });
  const changed = { workspaceId, sessionId: sessionIds[0], password: plant('a changed password') };
  await post('proxies.v1.Proxies/UpdateSession', changed);
  await post('accounts.v1.Accounts/DeleteAPIKey', { apiKeyId: apiKey.id });
});

test('secrets in requests that are refused are not repeated', async () => {
  const { workspaceId } = product.bootstrap;
  const refused: unknown[] = [
    session({ token: 'n1', password: { nested: plant('a password in an object') } }),
    session({ token: 'n2', password: [plant('a password in a list')] }),
    session({ token: 'n3', password: plant('a password that is too long').repeat(60) }),
    session({ token: 'n4', password: `${plant('a password with a line break')}\n` }),
    session({ token: 'n5', passwort: plant('a password in a field with a typo') }),
    session({ token: 'n6', password: plant('a password beside a bad port'), port: 'x' }),
    session({ token: 'n7', password: plant('a password beside a bad host'), host: '-' }),
    session({ token: 'n8', password: plant('a password without a username'), username: undefined }),
    session({ token: 'planted', password: plant('a password of a taken token') }),
    session({ token: 'n9', port: plant('a password in the port') }),
    session({ token: 'n10', enabled: plant('a password in a flag') }),
    session({ token: 'n11', labels: plant('a password in the labels') }),
    session({ token: 'n12', poolId: plant('a password in an id') }),
    session({ token: 'n13', scheme: plant('a password in the scheme') }),
    JSON.stringify(session({ password: plant('a password in cut JSON') })).slice(0, -1),
    `{"password":"${plant('a password given twice', (random) => `cn${random}`)}","password":"x"}`,
    `"${plant('a password alone', (random) => `cn${random}`)}"`,
    plant('a password that is no JSON'),
  ];
  for (const body of refused) expect((await post(SESSION, body)).status, JSON.stringify(body)).toBe(400);
  const rows = [session({ token: 'b1' }), session({ token: 'b1', password: plant('a password in a bulk') })];
  const bulk = { ...session({}), sessions: rows };
  expect((await post('proxies.v1.Proxies/BulkCreateSessions', bulk)).status).toBe(400);
  for (const [name, provider] of [
    ['no base64', { credentials: plant('credentials that are no base64') }],
    ['a template', { usernameTemplate: `{${plant('a password in a template')}}` }],
    ['no username', { usernameTemplate: '{username}-{token}', credentials: base64(plant('half a credential')) }],
  ] as const) {
    const body = { workspaceId, type: 'PROVIDER_TYPE_GATEWAY', usernameTemplate: '{token}', ...provider };
    expect((await post('proxies.v1.Proxies/ConnectProvider', body)).status, name).toBe(400);
  }
  for (const Authorization of [
    `Bearer ${plant('a wrong key', keyShaped)}`,
    plant('a bare wrong key', keyShaped),
    `Basic ${base64(`x:${plant('a basic password at the control port')}`)}`,
  ]) {
    expect((await post(SESSION, session({}), { Authorization })).status).toBe(401);
  }
  for (const type of ['text/plain', 'application/proto', 'application/grpc', 'application/grpc-web', 'application/x']) {
    const planted = plant(`a password as ${type}`);
    // Found in no form: the scan of all answers sees to that.
    const { text } = await post(SESSION, `\n\x20${planted}`, { 'Content-Type': type });
    expect(text, type).not.toContain(planted);
    // gRPC-Web carries its trailers, with the violated fields once more in base64, in the body.
    if (type !== 'application/grpc-web') expect(text.length, type).toBeLessThan(500);
  }
  const key = encodeURIComponent(plant('a key in a query', keyShaped));
  for (const page of ['metrics', 'readyz', 'nothing-here']) {
    rpcAnswers.push(await (await fetch(`${product.controlUrl}/${page}?key=${key}`)).text());
  }
});

test('secrets sent wrong to the proxy port are not repeated', async () => {
  const wrong = (name: string): string => base64(`default:${plant(name)}`);
  const refusals: [RegExp, string][] = [
    [/407/, `Basic ${wrong('a proxy password that is no key')}`],
    [/407/, `Basic ${base64(`default:${plant('a wrong key as proxy password', keyShaped)}`)}`],
    [/407/, `Basic ${base64(plant('a wrong key as username', keyShaped))}`],
    [/407/, `Bearer ${plant('a wrong bearer key', keyShaped)}`],
    [/407|400/, `Basic ${plant('what is no base64', (random) => `cn!${random}!`)}`],
    [/407|400/, `Basic  ${wrong('a password behind two spaces')} trailing`],
    [/407|400/, `Digest username="u", response="${plant('a digest', (random) => `cn${random}`)}"`],
    [/407|400/, `${wrong('a password without a scheme')}`],
    [/407|400/, `Basic ${wrong('one of two')}\r\nProxy-Authorization: Basic ${wrong('two of two')}`],
    [/400/, `Basic ${wrong('a password above an obsolete fold')}\r\n folded`],
    [/400/, `Basic ${wrong('a password above a bad line')}\r\nno header`],
    [/400/, `Basic ${wrong('a password above a bad name')}\r\nBad Name: x`],
    [/431/, `Basic ${wrong('a password in a head that is too large')}\r\nX: ${'x'.repeat(20_000)}`],
  ];
  for (const [status, authorization] of refusals) {
    expect((await get('a.test', authorization)).slice(9, 12), authorization.slice(0, 8)).toMatch(status);
  }
  const inTarget = plant('a password in a target', (random) => `cn${random}`);
  const allowed = `Proxy-Authorization: ${product.authorization('default')}`;
  expect(await proxy(`GET http://u:${inTarget}@a.test/ HTTP/1.1`, 'Host: a.test', allowed)).toMatch(/ 400 /);
  expect(await proxy(`CONNECT u:${inTarget}@a.test:443 HTTP/1.1`, 'Host: a.test', allowed)).toMatch(/ 400 /);
  expect(await get('a.test', product.authorization(`default-session-${inTarget}!`))).toMatch(/ 400 /);
  // Gone before its head was whole.
  const leaving = await RawClient.connect(product.gatewayPort);
  leaving.send(`GET http://a.test/ HTTP/1.1\r\nProxy-Authorization: Basic ${wrong('a password of one who left')}`);
  leaving.socket.end();
  gatewayAnswers.push(await leaving.untilEnd());
  leaving.close();
});

test('hostile values stay inside their line of the log', async () => {
  const bytes = ['\r\n{"level":"error"}', '\0', '\x1b[2J', '\u009b', '\u2028', '\u202e', 'x'.repeat(8_000)];
  for (const hostile of bytes) {
    const encoded = base64(`default-session-${hostile}:${product.bootstrap.apiKey}`);
    expect(await get('a.test', `Basic ${encoded}`)).toMatch(/^HTTP\/1\.1 4\d\d /);
    const { workspaceId } = product.bootstrap;
    await post('proxies.v1.Proxies/CreatePool', { workspaceId, name: hostile });
    await post(SESSION, session({ token: hostile, username: hostile }));
  }
  const lines = product.output.split('\n').filter((line) => line !== '');
  expect(lines.length).toBeGreaterThan(bytes.length);
  for (const line of lines) {
    expect(() => JSON.parse(line), line).not.toThrow();
    expect(line.length).toBeLessThanOrEqual(2_048);
    expect(line).not.toMatch(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u);
  }
});

/** Fails with the name of each place and secret that were found together. */
function expectNothingIn(places: Readonly<Record<string, string | Buffer>>): void {
  const hits = Object.entries(places).flatMap(([where, bytes]) => scan.find(where, bytes));
  expect(hits).toEqual([]);
}

/** The data directory but for the two files whose purpose it is to hold a secret. */
function storeFiles(): Record<string, Buffer> {
  const names = readdirSync(product.dataDir).filter((name) => name !== 'master.key' && name !== 'bootstrap.json');
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(product.dataDir, name))]));
}

test('no planted secret stands in any answer, page, log line, store file or backup', async () => {
  const metrics = await product.metrics();
  const running = storeFiles();
  expect(Object.keys(running)).toEqual(
    expect.arrayContaining(['sallyport.db', 'sallyport.db-shm', 'sallyport.db-wal']),
  );
  const copy = join(product.dataDir, 'copy.backup');
  const database = new DatabaseSync(join(product.dataDir, 'sallyport.db'));
  await backup(database, copy);
  database.close();
  const backupBytes = readFileSync(copy);
  const processText = ['cmdline', 'environ'].map((file) => readFileSync(`/proc/${product.pid}/${file}`, 'utf8'));
  expect(await product.stop()).toBe(0);
  const log = product.output;
  expectNothingIn({
    ...{ metrics, log, 'RPC answers': rpcAnswers.join('\n'), 'gateway answers': gatewayAnswers.join('\n') },
    ...{ ...running, backup: backupBytes, process: processText.join('\n') },
    ...Object.fromEntries(Object.entries(storeFiles()).map(([name, bytes]) => [`${name} after the stop`, bytes])),
  });
  // Every place was really written to, and is what it claims to be.
  expect(markers.find('store', Buffer.concat(Object.values(running)))).not.toEqual([]);
  expect(markers.find('backup', backupBytes)).not.toEqual([]);
  expect(markers.find('RPC answers', rpcAnswers.join('\n'))).not.toEqual([]);
  expect(metrics).toMatch(/^sallyport_requests_total\{/m);
  expect(metrics).toMatch(/^sallyport_auth_failures_total\{/m);
  for (const marker of ['a.test:80', 'refused.test:443', 'upstream_auth_failed', 'auth_failed', '"msg":"rpc"']) {
    expect(log).toContain(marker);
  }
  expect(gatewayAnswers.filter((text) => text !== '').length).toBeGreaterThan(20);
});

test('a start on a store whose sealed password does not open tells of it, and of no secret', async () => {
  const database = new DatabaseSync(join(product.dataDir, 'sallyport.db'));
  // Moved to another host, as someone with the file but not the key would.
  const { changes } = database.prepare("UPDATE sessions SET host = '198.51.100.66' WHERE token = 'planted'").run();
  database.close();
  expect(changes).toBe(1);
  product.output = '';
  await product.start();
  expect(product.output).toContain('does not open');
  await product.kill();
  expectNothingIn({ log: product.output, ...storeFiles() });
});

test('a secret in any form in any place would have been found', () => {
  const probe = new SecretScan();
  const secret = 'cn"5f0c63b1a47d+/é';
  probe.plant('s', secret);
  const bytes = Buffer.from(secret);
  const forms = {
    'as it is': secret,
    hex: bytes.toString('hex'),
    HEX: bytes.toString('hex').toUpperCase(),
    reversed: Buffer.from(bytes).reverse().toString('latin1'),
    'base64 at 0': base64(`${secret}?`),
    'base64 at 1': base64(`:${secret}:x`),
    'base64 at 2': base64(`ab${secret}ab`),
    'base64url at 1': Buffer.from(`~${secret}~~`).toString('base64url'),
    'in part': JSON.stringify(JSON.stringify(secret)),
    'JSON-escaped': JSON.stringify({ password: secret }),
    'URL-encoded': encodeURIComponent(secret),
  };
  for (const [form, text] of Object.entries(forms)) {
    const haystack = form === 'reversed' ? Buffer.from(text, 'latin1') : text;
    expect(probe.find('x', Buffer.concat([Buffer.alloc(100, 1), Buffer.from(haystack as string)])), form).not.toEqual(
      [],
    );
  }
  expect(probe.find('x', 'cn"5f0c63b1a47')).toEqual([]);
});
