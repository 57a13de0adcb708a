/** The control port as hostile or careless HTTP sees it. */
import { execFile } from 'node:child_process';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startListener } from '../../control/listener.ts';
import { type ControlRig, RIG_KEY, startControlRig, staticSession } from '../helpers/control-rig.ts';

const CREATE = 'proxies.v1.Proxies/CreateSession';
let rig: ControlRig;
beforeAll(async () => {
  rig = await startControlRig();
});
afterAll(() => rig.close());

/** Sends raw bytes and answers what came back when the other side closed or fell silent. */
function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('close', () => resolve(text)).on('error', reject);
  });
}

/** A POST of CreateSession as bytes, on a connection that ends with it. */
function rawPost(headers: string, body: string): string {
  return `POST /${CREATE} HTTP/1.1\r\n${headers}\r\nAuthorization: Bearer ${RIG_KEY}\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}
const port = () => Number(new URL(rig.url).port);
const json = 'Content-Type: application/json';

test.each([
  ['a stranger’s Host', `Host: evil.test\r\n${json}`, 421],
  ['a stranger’s Host with our port', `Host: evil.test:7070\r\n${json}`, 421],
  ['a page of another origin', `Host: localhost\r\nOrigin: http://evil.test\r\n${json}`, 403],
  ['a form’s content type', 'Host: localhost\r\nContent-Type: text/plain', 415],
  ['JSON inside gRPC', 'Host: localhost\r\nContent-Type: application/grpc+json', 415],
  ['our own origin', `Host: localhost\r\nOrigin: http://localhost\r\n${json}`, 200],
  ['our own origin behind TLS', `Host: localhost\r\nOrigin: https://localhost\r\n${json}`, 200],
  ['a name that the operator gave it', `Host: Operators.test:7070\r\n${json}`, 200],
  ['an address as Host', `Host: [::1]:99\r\n${json}`, 200],
])('%s', async (_name, headers, status) => {
  const before = rig.changes.length;
  const answer = await exchange(port(), rawPost(headers, JSON.stringify(staticSession(rig, `h${status}-${before}`))));
  expect(answer.split('\r\n')[0]).toContain(` ${status} `);
  expect(answer).not.toMatch(/access-control/i);
  expect(rig.changes.length - before).toBe(status === 200 ? 1 : 0);
});

test.each([
  ['an unknown field', (ok: object) => JSON.stringify({ ...ok, pasword: 'hush-1' }), 'pasword'],
  [
    'a key that stands twice',
    (ok: object) => JSON.stringify(ok).replace('{', '{"password":"hush-2","password":"hush-2",'),
    'body',
  ],
  ['a field under both its names', (ok: object) => JSON.stringify({ ...ok, pool_id: 'hush' }), 'body'],
  ['__proto__', (ok: object) => JSON.stringify(ok).replace('{', '{"__proto__":{"password":"hush-3"},'), '__proto__'],
  [
    'a deep array',
    (ok: object) => JSON.stringify(ok).replace('{', `{"password":${'['.repeat(10_000)}${']'.repeat(10_000)},`),
    'password',
  ],
  [
    'a deep object',
    (ok: object) => JSON.stringify(ok).replace('{', `{"labels":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)},`),
    'labels',
  ],
  ['a password that is a number', (ok: object) => JSON.stringify({ ...ok, password: 4711 }), 'password'],
  [
    'a password that is an object',
    (ok: object) => JSON.stringify({ ...ok, password: { 'hush-4': 'hush-4' } }),
    'password',
  ],
  ['a password in the place of an id', (ok: object) => JSON.stringify({ ...ok, poolId: 'hush-5!' }), 'poolId'],
  ['a password in the place of a port', (ok: object) => JSON.stringify({ ...ok, port: 'hush-6' }), 'port'],
  ['an unfinished text', (ok: object) => `${JSON.stringify(ok).slice(0, -1)},"password":"hush-7`, 'body'],
  ['no object at all', () => '"hush-8"', 'body'],
  ['nothing', () => '', 'body'],
])('%s is invalid_argument, names the field, echoes nothing', async (_name, spoil, field) => {
  const before = rig.changes.length;
  const answer = await rig.call(CREATE, spoil(staticSession(rig, 'spoilt', { username: 'u' })));
  expect([answer.status, answer.json.code]).toEqual([400, 'invalid_argument']);
  expect(answer.json.details[0].debug.fieldViolations[0].field).toBe(field);
  expect(Buffer.from(answer.json.details[0].value, 'base64').toString('latin1') + answer.text).not.toMatch(/hush|4711/);
  expect(rig.logged.join()).not.toMatch(/hush|4711/);
  expect(rig.changes.length).toBe(before);
});

test('binary garbage is invalid_argument as well', async () => {
  const answer = await rig.call(CREATE, Buffer.from('hush-9'), RIG_KEY, { 'content-type': 'application/proto' });
  expect([answer.status, answer.json.code]).toEqual([400, 'invalid_argument']);
  expect(answer.text).not.toContain('hush');
});

test('a body of 100 MiB is refused by its length, a gzip bomb by what comes out, a long stream by its bound', async () => {
  const headers = `Host: localhost\r\n${json}\r\nAuthorization: Bearer ${RIG_KEY}\r\nContent-Length: 104857600`;
  expect(await exchange(port(), `POST /${CREATE} HTTP/1.1\r\n${headers}\r\n\r\n`)).toContain(' 413 ');
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, 32));
  const bombed = await rig.call(CREATE, bomb, RIG_KEY, { 'content-encoding': 'gzip' });
  expect(bombed.json.code).toBe('resource_exhausted');
  const long = await rig.call(CREATE, `{"token":"${'x'.repeat(5 * 1024 * 1024)}"}`);
  expect(long.json.code).toBe('resource_exhausted');
});

test('reads are POSTs, keys ride in a header, unknown paths are nothing', async () => {
  const get = await fetch(`${rig.url}/${CREATE}`, { headers: { authorization: `Bearer ${RIG_KEY}` } });
  expect(get.status).toBe(405);
  expect((await rig.call(`accounts.v1.Accounts/ListPolicies?key=${RIG_KEY}`, {}, null)).status).toBe(401);
  expect((await rig.call('accounts.v1.Accounts/Nothing', {})).status).toBe(404);
});

test('the probes need no key and tell nothing; draining turns readiness and calls off', async () => {
  const own = await startControlRig();
  const get = async (path: string) => (await fetch(own.url + path)).status;
  expect([await get('/livez'), await get('/readyz')]).toEqual([200, 200]);
  own.plane.setDraining();
  expect([await get('/livez'), await get('/readyz')]).toEqual([200, 503]);
  const answer = await own.call('accounts.v1.Accounts/ListPolicies', {});
  expect([answer.status, answer.json.code]).toEqual([503, 'unavailable']);
  await own.close();
});

test('a gateway that fails a change makes the plane unavailable, and somebody is told once', async () => {
  const own = await startControlRig();
  own.onApply(() => Promise.reject(new Error('gone')));
  const answers = await Promise.all(['a', 'b'].map((token) => own.call(CREATE, staticSession(own, token))));
  expect(answers.map(({ json: { code } }) => code)).toEqual(['unavailable', 'unavailable']);
  expect((await own.call('accounts.v1.Accounts/ListPolicies', {})).json.code).toBe('unavailable');
  expect(own.fatal).toHaveLength(1);
  await own.close();
});

test('calls answer only after the gateway took the change, in commit order', async () => {
  const own = await startControlRig();
  const gate = Promise.withResolvers<void>();
  const seen: string[] = [];
  own.onApply(async (changes) => {
    await gate.promise;
    for (const change of changes) if (change.kind === 'session-put') seen.push(change.session.id);
  });
  let answered = 0;
  const calls = Array.from({ length: 20 }, (_, i) =>
    own.ok(CREATE, staticSession(own, `o${i}`)).finally(() => {
      answered++;
    }),
  );
  await expect
    .poll(() =>
      own.ok('proxies.v1.Proxies/ListSessions', { workspaceId: own.made.workspaceId, poolId: own.made.poolId }),
    )
    .toMatchObject({ sessionIds: { length: 20 } });
  expect(answered).toBe(0);
  gate.resolve();
  await Promise.all(calls);
  expect(seen).toEqual([...seen].sort());
  expect(seen).toHaveLength(20);
  await own.close();
});

test('the metrics page has the published names and passes promtool', async () => {
  await rig.ok('accounts.v1.Accounts/ListPolicies', {});
  const histogram = { bounds: [1e-6, 1], counts: [3, 2, 1], sum: 4.5 };
  rig.snapshot = {
    ...rig.snapshot,
    resolveSeconds: [{ labels: ['ok'], histogram }],
    requests: [{ labels: ['default/a"b\\', 'connect', 'ok'], value: 7 }],
    bytes: {
      pools: Array.from({ length: 1_200 }, (_, i) => `w/p${i}`),
      columns: [{ labels: ['in'], values: new Float64Array(1_200).fill(1) }],
    },
  };
  const text = await (await fetch(`${rig.url}/metrics`)).text();
  expect(text).toContain('sallyport_resolve_duration_seconds_bucket{le="0.000001",outcome="ok"} 3');
  expect(text).toContain('sallyport_resolve_duration_seconds_bucket{le="+Inf",outcome="ok"} 6');
  expect(text).toContain('sallyport_resolve_duration_seconds_count{outcome="ok"} 6');
  expect(text).toMatch(/sallyport_bytes_total\{pool="other",direction="in"\} 201/);
  expect(text).toMatch(
    /sallyport_rpc_duration_seconds_count\{method="accounts.v1.Accounts\/ListPolicies",code="ok"\} \d/,
  );
  expect(text).toContain('sallyport_build_info{version="0.0.0-test",');
  const published =
    'resolve_duration_seconds requests_total causes_total overhead_seconds dial_duration_seconds first_byte_seconds failovers_total probes_total tunnels_active client_connections bytes_total sessions sticky_moves_total index_changes_total index_apply_seconds rpc_duration_seconds store_commit_seconds auth_failures_total event_loop_delay_seconds build_info';
  for (const name of published.split(' ')) expect(text).toContain(`# TYPE sallyport_${name} `);
  const checked = promisify(execFile)('promtool', ['check', 'metrics']);
  checked.child.stdin?.end(text);
  const problems = await checked.then(
    ({ stdout, stderr }) => stdout + stderr,
    (error: { code?: unknown; stdout?: string; stderr?: string }) =>
      error.code === 'ENOENT' ? '' : `${error.stdout}${error.stderr}`,
  );
  expect(problems).toBe('');
});

test.each([1, 2, 3, 4, 17])('a request whose first bytes come %i at a time is served all the same', async (size) => {
  const bytes = rawPost(`Host: localhost\r\n${json}`, JSON.stringify(staticSession(rig, `split-${size}`)));
  const socket = connect({ port: port(), host: '127.0.0.1', noDelay: true });
  const answer = new Promise<string>((resolve, reject) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('close', () => resolve(text)).on('error', reject);
  });
  const head = bytes.slice(0, 20);
  for (let i = 0; i < head.length; i += size) {
    await new Promise((resolve) => socket.write(head.slice(i, i + size), resolve));
  }
  socket.write(bytes.slice(20));
  expect(await answer).toContain(' 200 ');
});

test('over HTTP/2 a stranger’s name is refused as well, and the connection goes on', async () => {
  const session = connectHttp2(rig.url);
  const get = (headers: Record<string, string>) =>
    new Promise<number>((resolve, reject) => {
      const stream = session.request({ ':path': '/livez', ...headers });
      stream.on('response', (response) => resolve(Number(response[':status']))).on('error', reject);
      stream.resume();
    });
  expect(await get({ ':authority': 'evil.test' })).toBe(421);
  expect(await get({})).toBe(200);
  session.close();
});

test('close ends with an idle keep-alive connection and an open HTTP/2 session', async () => {
  const own = await startControlRig();
  await own.ok('accounts.v1.Accounts/ListPolicies', {});
  const session = connectHttp2(own.url);
  await new Promise((resolve) => session.once('remoteSettings', resolve));
  const closed = new Promise((resolve) => session.once('close', resolve));
  await own.close();
  await closed;
});

test.each([
  ['nothing', ''],
  ['half a preface', 'PR'],
  ['half a head', 'POST / HTTP/1.1\r\nHost: x\r\n'],
])('a client that sends %s is let go in time', async (_name, bytes) => {
  const listener = await startListener(() => {}, {
    host: '127.0.0.1',
    port: 0,
    headTimeoutMs: 100,
    requestTimeoutMs: 200,
    idleTimeoutMs: 200,
  });
  const answer = await exchange(listener.port, bytes);
  expect(answer === '' || answer.startsWith('HTTP/1.1 408')).toBe(true);
  await listener.close(0);
});
