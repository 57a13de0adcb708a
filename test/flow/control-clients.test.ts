/** One port, every protocol: Connect in JSON and binary, gRPC, gRPC-Web, through the clients people have. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from '@connectrpc/connect-node';
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BadRequestSchema } from '../../control/gen/google/rpc/error_details_pb.ts';
import { GetPoolRequestSchema, GetPoolResponseSchema, Proxies } from '../../control/gen/proxies/v1/proxies_pb.ts';
import { type ControlRig, RIG_KEY, startControlRig } from '../helpers/control-rig.ts';

const run = promisify(execFile);
let rig: ControlRig;
beforeAll(async () => {
  rig = await startControlRig();
});
afterAll(() => rig.close());

const wireId = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
const withKey: Interceptor = (next) => (request) => {
  request.header.set('authorization', `Bearer ${RIG_KEY}`);
  return next(request);
};

const transports: Record<string, (baseUrl: string, sessionManager: Http2SessionManager) => Transport> = {
  'Connect JSON over HTTP/1.1': (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: '1.1', interceptors: [withKey] }),
  'Connect binary over HTTP/1.1': (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: true, interceptors: [withKey] }),
  'Connect JSON over HTTP/2': (baseUrl, sessionManager) =>
    createConnectTransport({ baseUrl, httpVersion: '2', sessionManager, interceptors: [withKey] }),
  'Connect JSON, compressed': (baseUrl) =>
    createConnectTransport({
      baseUrl,
      httpVersion: '1.1',
      compressMinBytes: 1,
      sendCompression: compressionGzip,
      interceptors: [withKey],
    }),
  'gRPC-Web over HTTP/1.1': (baseUrl) =>
    createGrpcWebTransport({ baseUrl, httpVersion: '1.1', interceptors: [withKey] }),
  'gRPC over HTTP/2': (baseUrl, sessionManager) =>
    createGrpcTransport({ baseUrl, sessionManager, interceptors: [withKey] }),
};

test.each(Object.keys(transports))('%s: a write, a read, an error with its details', async (name) => {
  const manager = new Http2SessionManager(rig.url);
  const client = createClient(Proxies, transports[name]!(rig.url, manager));
  const workspaceId = wireId(rig.made.workspaceId);
  const poolId = wireId(rig.made.poolId);
  const { session } = await client.createSession({
    workspaceId,
    poolId,
    providerId: wireId(rig.made.providerId),
    token: name.replaceAll(/[^a-z0-9]/gi, ''),
    scheme: 'socks5',
    host: 'exit.example',
    port: 1080,
    labels: { country: 'us' },
  });
  expect(session?.labels).toEqual({ country: 'us' });
  expect((await client.getSession({ workspaceId, sessionId: session!.id })).session).toEqual(session);
  const error = await client.listSessions({ workspaceId, limit: 5_000 }).catch(ConnectError.from);
  expect(error).toMatchObject({ code: Code.InvalidArgument });
  expect((error as ConnectError).findDetails(BadRequestSchema)[0]?.fieldViolations[0]?.field).toBe('limit');
  manager.abort();
});

test('@grpc/grpc-js speaks to it in clear', async () => {
  const client = new grpc.Client(new URL(rig.url).host, grpc.credentials.createInsecure());
  const call = (key: string) =>
    new Promise<string>((resolve, reject) => {
      const metadata = new grpc.Metadata();
      metadata.set('authorization', `Bearer ${key}`);
      const request = create(GetPoolRequestSchema, {
        workspaceId: wireId(rig.made.workspaceId),
        poolId: wireId(rig.made.poolId),
      });
      client.makeUnaryRequest(
        '/proxies.v1.Proxies/GetPool',
        (message: typeof request) => Buffer.from(toBinary(GetPoolRequestSchema, message)),
        (bytes) => fromBinary(GetPoolResponseSchema, bytes),
        request,
        metadata,
        (error, response) => (error === null ? resolve(response?.pool?.name ?? '') : reject(error)),
      );
    });
  expect(await call(RIG_KEY)).toBe('default');
  await expect(call('wrong')).rejects.toMatchObject({ code: grpc.status.UNAUTHENTICATED });
  client.close();
});

test.each([['--http1.1'], ['--http2-prior-knowledge']])('curl %s', async (version) => {
  const body = JSON.stringify({ workspaceId: rig.made.workspaceId, poolId: rig.made.poolId });
  const headers = ['-H', 'Content-Type: application/json', '-H', `Authorization: Bearer ${RIG_KEY}`];
  const { stdout } = await run('curl', [
    '-s',
    version,
    ...headers,
    '-d',
    body,
    `${rig.url}/proxies.v1.Proxies/GetPool`,
  ]);
  expect(JSON.parse(stdout).pool.name).toBe('default');
});

test.skipIf(!existsSync('node_modules/.bin/buf'))('buf curl over gRPC', async () => {
  const body = JSON.stringify({ workspaceId: rig.made.workspaceId, poolId: rig.made.poolId });
  const { stdout } = await run('node_modules/.bin/buf', [
    ...['curl', '--schema', '.', '--protocol', 'grpc', '--http2-prior-knowledge'],
    ...['-H', `Authorization: Bearer ${RIG_KEY}`, '-d', body, `${rig.url}/proxies.v1.Proxies/GetPool`],
  ]);
  expect(JSON.parse(stdout).pool.name).toBe('default');
});
