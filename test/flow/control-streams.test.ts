/**
 * A method that answers a stream passes what every other call passes, in every
 * protocol; its deadline, its end and its errors are told alike.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { Code, ConnectError, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from '@connectrpc/connect-node';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { BadRequestSchema } from '../../control/gen/google/rpc/error_details_pb.ts';
import { Proxies } from '../../control/gen/proxies/v1/proxies_pb.ts';
import type { SessionId, WorkspaceId } from '../../src/core/model.ts';
import type { RequestQuery } from '../../src/core/observed.ts';
import { type ControlRig, RIG_KEY, startControlRig } from '../helpers/control-rig.ts';
import { finishAt, newRing } from '../helpers/observed-records.ts';
import { uuidOf as uuid } from '../helpers/proxied.ts';

const TAIL = 'proxies.v1.Proxies/TailRequests';
const ring = newRing();
/** Called when a stream has found where it begins. */
let onBegin: () => void = () => undefined;
let failing = false;
/** Behind which sequence numbers the gateway was asked to look. */
let looks: number[] = [];
const gateway = {
  listRequests: async (query: RequestQuery) => {
    looks.push(query.afterSequence);
    if (failing) throw new Error('hush-gateway');
    if (query.afterSequence < 0) setImmediate(() => onBegin());
    return ring.list(query);
  },
};
let rig: ControlRig;
beforeAll(async () => {
  rig = await startControlRig({ gateway });
});
afterAll(() => rig.close());

const wireId = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
const workspace = (of = rig) => uuid<WorkspaceId>(of.made.workspaceId);

const transports: Record<string, (baseUrl: string, manager: Http2SessionManager, by: Interceptor) => Transport> = {
  'Connect JSON over HTTP/1.1': (baseUrl, _, by) =>
    createConnectTransport({ baseUrl, httpVersion: '1.1', interceptors: [by] }),
  'Connect binary over HTTP/2': (baseUrl, sessionManager, by) =>
    createConnectTransport({ baseUrl, httpVersion: '2', sessionManager, useBinaryFormat: true, interceptors: [by] }),
  'gRPC-Web over HTTP/1.1': (baseUrl, _, by) =>
    createGrpcWebTransport({ baseUrl, httpVersion: '1.1', interceptors: [by] }),
  'gRPC over HTTP/2': (baseUrl, sessionManager, by) =>
    createGrpcTransport({ baseUrl, sessionManager, interceptors: [by] }),
};
const protocols = Object.keys(transports);

/** A client that sends this key and these headers. */
function clientOf(name: string, key = RIG_KEY, headers: Record<string, string> = {}, of = rig) {
  const manager = new Http2SessionManager(of.url);
  onTestFinished(() => manager.abort());
  const by: Interceptor = (next) => (request) => {
    request.header.set('authorization', `Bearer ${key}`);
    for (const [header, value] of Object.entries(headers)) request.header.set(header, value);
    return next(request);
  };
  return createClient(Proxies, transports[name]!(of.url, manager, by));
}

type Tail = Parameters<ReturnType<typeof clientOf>['tailRequests']>;

/** Opens a stream, and calls `begun` once it would see whatever finishes; answers its first records, or how it failed. */
async function follow(
  client: ReturnType<typeof clientOf>,
  request: Tail[0],
  options: { readonly begun?: () => void; readonly count?: number; readonly call?: Tail[1] } = {},
): Promise<string[] | ConnectError> {
  onBegin = options.begun ?? (() => undefined);
  const before = await ended(TAIL, 'canceled');
  const enough = new AbortController();
  const seen: string[] = [];
  try {
    for await (const { request: record } of client.tailRequests(request, { signal: enough.signal, ...options.call })) {
      if (record !== undefined) seen.push(record.requestId);
      if (seen.length === (options.count ?? 1)) break;
    }
  } catch (error) {
    return ConnectError.from(error);
  }
  // Leaving the loop is no word to the server.
  enough.abort();
  await expect.poll(() => ended(TAIL, 'canceled')).toBe(before + 1);
  return seen;
}

/** How often the method ended with this code. */
async function ended(method: string, code: string, of = rig): Promise<number> {
  const text = await (await fetch(`${of.url}/metrics`)).text();
  const line = text.split('\n').find((each) => each.includes(`_count{method="${method}",code="${code}"}`));
  return Number(line?.split(' ').at(-1) ?? 0);
}

async function workspaceKey(policies: string[], of = rig): Promise<{ apiKey: { id: string }; rawKey: string }> {
  const { workspaceId } = of.made;
  return of.ok('accounts.v1.Accounts/CreateAPIKey', { workspaceId, name: 'k', policies });
}

test.each(protocols)('%s: records as they finish, those of the filter only', async (name) => {
  const sessionId = randomUUID() as SessionId;
  const mine = {
    poolId: uuid(rig.made.poolId) as never,
    sessionId,
    accountName: 'ann',
    cause: 'idle_timeout' as const,
  };
  const others = [
    {},
    { accountName: 'bob' },
    { cause: null },
    { sessionId: randomUUID() as SessionId },
    { poolId: null },
  ];
  const request = {
    workspaceId: wireId(rig.made.workspaceId),
    poolId: wireId(rig.made.poolId),
    sessionId: wireId(Buffer.from(sessionId.replaceAll('-', ''), 'hex').toString('base64')),
    accountName: 'ann',
    cause: 'idle_timeout',
  };
  const expected: string[] = [];
  const begun = () => {
    finishAt(ring, randomUUID() as WorkspaceId, mine);
    for (const [i, other] of others.entries()) {
      if (i > 0) finishAt(ring, workspace(), { ...mine, ...other });
      expected.push(finishAt(ring, workspace(), mine).requestId);
    }
  };
  expect(await follow(clientOf(name), request, { begun, count: others.length })).toEqual(expected);
});

test('requests that went well are those of the cause `ok`', async () => {
  const begun = () => {
    finishAt(ring, workspace(), { cause: 'client_gone' });
    finishAt(ring, workspace(), { requestId: 'went-well' });
  };
  const request = { workspaceId: wireId(rig.made.workspaceId), cause: 'ok' };
  expect(await follow(clientOf(protocols[0]!), request, { begun })).toEqual(['went-well']);
});

test.each(protocols)('%s: gate, scope and validation refuse a stream as they refuse a call', async (name) => {
  const { workspace: other } = await rig.ok('accounts.v1.Accounts/CreateWorkspace', { name: 'other' });
  const [viewer, gatewayOnly] = [await workspaceKey(['proxies-viewer']), await workspaceKey(['gateway'])];
  const own = { workspaceId: wireId(rig.made.workspaceId) };
  const codeOf = async (key: string, request: Tail[0]) => (await follow(clientOf(name, key), request)) as ConnectError;
  expect(await codeOf('sp_live_wrong', own)).toMatchObject({ code: Code.Unauthenticated });
  expect(await codeOf(gatewayOnly.rawKey, own)).toMatchObject({ code: Code.PermissionDenied });
  expect(await codeOf(viewer.rawKey, { workspaceId: wireId(other.id) })).toMatchObject({ code: Code.PermissionDenied });
  expect(await codeOf(RIG_KEY, { workspaceId: new Uint8Array(16).fill(7) })).toMatchObject({ code: Code.NotFound });
  for (const [field, value] of Object.entries({ cause: 'hush-1', poolId: new Uint8Array(3), workspaceId: undefined })) {
    const error = await codeOf(RIG_KEY, { ...own, [field]: value } as Tail[0]);
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.findDetails(BadRequestSchema)[0]?.fieldViolations[0]?.field).toBe(field);
    expect(error.message).not.toContain('hush');
  }
});

test.each(protocols)('%s: the deadline ends it, and it is booked when it ends', async (name) => {
  const header = name.startsWith('gRPC') ? { 'grpc-timeout': '100m' } : { 'connect-timeout-ms': '100' };
  const before = [await ended(TAIL, 'deadline_exceeded'), await ended(TAIL, 'ok')];
  // The header alone: with a timeout of its own the client would not wait for the server's word.
  const request = { workspaceId: wireId(rig.made.workspaceId) };
  expect(await follow(clientOf(name, RIG_KEY, header), request)).toMatchObject({ code: Code.DeadlineExceeded });
  expect([await ended(TAIL, 'deadline_exceeded'), await ended(TAIL, 'ok')]).toEqual([before[0]! + 1, before[1]]);
});

test.each(protocols)('%s: a client that goes away ends it as canceled, once, and frees its place', async (name) => {
  const before = await ended(TAIL, 'canceled');
  const { rawKey } = await workspaceKey(['proxies-viewer']);
  // More than the places of one key: each is free again before the next.
  for (let i = 1; i <= 11; i++) {
    const gone = new AbortController();
    const call = { signal: gone.signal };
    const request = { workspaceId: wireId(rig.made.workspaceId) };
    const error = await follow(clientOf(name, rawKey), request, { begun: () => gone.abort(), call });
    expect(error).toMatchObject({ code: Code.Canceled });
    await expect.poll(() => ended(TAIL, 'canceled')).toBe(before + i);
  }
});

test.each(protocols)('%s: the eleventh stream of a key is told to wait', async (name) => {
  const { rawKey } = await workspaceKey(['proxies-viewer']);
  const before = await ended(TAIL, 'canceled');
  const gone = new AbortController();
  let streams = 0;
  const full = Promise.withResolvers<void>();
  onBegin = () => {
    if (++streams === 10) full.resolve();
  };
  const begun = onBegin;
  const request = { workspaceId: wireId(rig.made.workspaceId) };
  const open = Array.from({ length: 10 }, () =>
    follow(clientOf(name, rawKey), request, { begun, call: { signal: gone.signal } }),
  );
  await full.promise;
  const refused = (await follow(clientOf(name, rawKey), request)) as ConnectError;
  expect([refused.code, refused.metadata.get('retry-after')]).toEqual([Code.ResourceExhausted, '5']);
  gone.abort();
  await Promise.all(open);
  await expect.poll(() => ended(TAIL, 'canceled')).toBe(before + 10);
});

test.each(protocols)(
  '%s: an error of ours amid a stream is `internal`, logged once, and says nothing',
  async (name) => {
    const logged = rig.logged.length;
    onTestFinished(() => {
      failing = false;
    });
    const begun = () => {
      failing = true;
    };
    const error = await follow(clientOf(name), { workspaceId: wireId(rig.made.workspaceId) }, { begun });
    expect(error).toMatchObject({ code: Code.Internal, rawMessage: 'An internal server error occurred.' });
    const lines = rig.logged.slice(logged).filter((line) => line.includes('rpc failed'));
    expect(lines).toHaveLength(1);
    expect(rig.logged.join()).not.toContain('hush');
  },
);

test.each([protocols[0]!, protocols[3]!])(
  '%s: the end of its key, its workspace, or the service ends it',
  async (name) => {
    const own = await startControlRig({ gateway });
    onTestFinished(() => own.close());
    const { rawKey, apiKey } = await workspaceKey(['proxies-viewer'], own);
    const request = { workspaceId: wireId(own.made.workspaceId) };
    const deleteKey = () => void own.ok('accounts.v1.Accounts/DeleteAPIKey', { apiKeyId: apiKey.id });
    const revoked = await follow(clientOf(name, rawKey, {}, own), request, { begun: deleteKey });
    expect(revoked).toMatchObject({ code: Code.Unauthenticated });

    const { workspace: other } = await own.ok('accounts.v1.Accounts/CreateWorkspace', { name: 'other' });
    const deleteOther = () => void own.ok('accounts.v1.Accounts/DeleteWorkspace', { workspaceId: other.id });
    const emptied = { workspaceId: wireId(other.id) };
    expect(await follow(clientOf(name, RIG_KEY, {}, own), emptied, { begun: deleteOther })).toMatchObject({
      code: Code.NotFound,
    });

    const drained = follow(clientOf(name, RIG_KEY, {}, own), request, { begun: () => own.plane.setDraining() });
    expect(await drained).toMatchObject({ code: Code.Unavailable });
  },
);

test.each(['gRPC-Web over HTTP/1.1', 'gRPC over HTTP/2', 'Connect JSON over HTTP/1.1'])(
  '%s: a call beyond the rate is told when to come back, a stream too',
  async (name) => {
    const own = await startControlRig({ gateway, rpcRate: 1, rpcBurst: 1 });
    onTestFinished(() => own.close());
    const client = clientOf(name, RIG_KEY, {}, own);
    const request = { workspaceId: wireId(own.made.workspaceId) };
    await client.listPools(request);
    for (const error of [await client.listPools(request).catch(ConnectError.from), await follow(client, request)]) {
      expect(error).toMatchObject({ code: Code.ResourceExhausted });
      expect(Number((error as ConnectError).metadata.get('retry-after'))).toBeGreaterThan(0);
    }
  },
);

/** An envelope: flags, length, message. */
function envelope(data: string | Buffer, flags = 0): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(Buffer.byteLength(data), 1);
  return Buffer.concat([head, Buffer.from(data as string)]);
}

/** POSTs raw bytes to TailRequests; answers the error of the stream's end. */
async function post(body: Buffer, headers: Record<string, string> = {}, method = TAIL, key = RIG_KEY) {
  const response = await fetch(`${rig.url}/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/connect+json', authorization: `Bearer ${key}`, ...headers },
    body: new Uint8Array(body),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  const text = bytes.toString('latin1');
  expect(bytes[0]).toBe(2);
  return { text, error: JSON.parse(text.slice(5)).error };
}

const named = (more: object) => envelope(JSON.stringify({ workspaceId: rig.made.workspaceId, ...more }));

test.each([
  ['an unknown field', () => named({ casue: 'hush-1' }), 'casue'],
  ['text in the place of an id', () => named({ poolId: 'hush-2!' }), 'poolId'],
  ['an object in the place of text', () => named({ cause: { 'hush-3': 1 } }), 'cause'],
  ['an unfinished text', () => envelope('{"cause":"hush-4'), 'body'],
  ['bytes that are no text', () => envelope(Buffer.from([0x22, 0xff, 0x22])), 'body'],
  ['a deep object', () => named({ cause: JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`) }), 'cause'],
  ['half an envelope', () => named({ cause: 'hush-5' }).subarray(0, 30), 'body'],
  ['half a head', () => Buffer.from([0, 0]), 'body'],
  ['an unknown flag', () => envelope('{"cause":"hush-6"}', 0x80), 'body'],
  ['a compressed message without a word how', () => envelope(gzipSync('{"cause":"hush-7"}'), 1), 'body'],
])('a raw stream with %s is invalid_argument, names the field, echoes nothing', async (_name, body, field) => {
  const before = await ended(TAIL, 'invalid_argument');
  const { error, text } = await post(body());
  expect([error.code, error.details[0].debug.fieldViolations[0].field]).toEqual(['invalid_argument', field]);
  expect(Buffer.from(error.details[0].value, 'base64').toString('latin1') + text).not.toMatch(/hush/);
  expect(rig.logged.join()).not.toMatch(/hush/);
  expect(await ended(TAIL, 'invalid_argument')).toBe(before + 1);
});

test('a raw stream is one message, however it is cut or compressed, and no larger than others', async () => {
  expect((await post(Buffer.alloc(0))).error.code).toBe('unimplemented');
  expect((await post(Buffer.concat([named({}), named({})]))).error.code).toBe('unimplemented');
  expect((await post(envelope('x'.repeat(4 * 1024 * 1024 + 1)))).error.code).toBe('resource_exhausted');
  const gzip = { 'connect-content-encoding': 'gzip' };
  const bomb = envelope(gzipSync(Buffer.alloc(8 * 1024 * 1024, 32)), 1);
  expect((await post(bomb, gzip)).error.code).toBe('resource_exhausted');
  const good = JSON.stringify({ workspaceId: rig.made.workspaceId });
  const timeout = { 'connect-timeout-ms': '1' };
  expect((await post(envelope(gzipSync(good), 1), { ...gzip, ...timeout })).error.code).toBe('deadline_exceeded');
});

test('the records of a raw JSON stream are as those of GetRequest, in envelopes', async () => {
  onBegin = () => void finishAt(ring, workspace(), { requestId: 'raw' });
  const response = await fetch(`${rig.url}/${TAIL}`, {
    method: 'POST',
    headers: { 'content-type': 'application/connect+json', authorization: `Bearer ${RIG_KEY}` },
    body: new Uint8Array(named({})),
  });
  expect(response.headers.get('content-type')).toBe('application/connect+json');
  const reader = response.body!.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  const { request, missed } = JSON.parse(Buffer.from(value!).subarray(5).toString());
  expect(missed).toBe(false);
  expect(request).toMatchObject({ requestId: 'raw', cause: 'ok', bytesIn: '200', duration: '0.012500s' });
});

test('a client that stops reading holds one page, and its end is seen although nothing can be written', async () => {
  const before = await ended(TAIL, 'canceled');
  const complaints = vi.spyOn(console, 'error');
  onTestFinished(() => complaints.mockRestore());
  looks = [];
  const body = named({});
  const socket = connect(Number(new URL(rig.url).port), '127.0.0.1').pause();
  const filled = new Promise<void>((resolve) => {
    onBegin = () => {
      // Two pages, each more than the buffers between the two hold.
      const targetHost = 'x'.repeat(40_000);
      for (let i = 0; i < 1_000; i++) finishAt(ring, workspace(), { targetHost });
      resolve();
    };
  });
  const head = `POST /${TAIL} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/connect+json\r\n`;
  socket.write(`${head}Authorization: Bearer ${RIG_KEY}\r\nContent-Length: ${body.length}\r\n\r\n`);
  socket.write(body);
  await filled;
  await once(socket, 'readable');
  socket.destroy();
  await expect.poll(() => ended(TAIL, 'canceled')).toBe(before + 1);
  // Where it began, and from there on: the second page was never asked for.
  expect(new Set(looks).size).toBe(2);
  expect(complaints).not.toHaveBeenCalled();
});

test('a stream of a mutating method that is refused leaves its audit row', async () => {
  const { rawKey } = await workspaceKey(['accounts']);
  const method = 'accounts.v1.Accounts/CreateBackup';
  expect((await post(envelope('{}'), {}, method, rawKey)).error.code).toBe('permission_denied');
  expect((await post(envelope('{"hush":"hush"}'), {}, method)).error.code).toBe('invalid_argument');
  const file = new Database(`${rig.directory}/sallyport.db`, { readonly: true });
  const rows = file.prepare('select outcome from audit_events where method = ? order by id').pluck().all(method);
  file.close();
  expect(rows).toEqual(['permission_denied', 'invalid_argument']);
});
