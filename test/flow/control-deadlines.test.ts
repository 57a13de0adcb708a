/** Whoever does not wait for the answer any more has changed nothing: deadlines, and clients that go away. */
import { connect } from 'node:net';
import { Code, ConnectError, createClient, type Interceptor } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { Proxies } from '../../control/gen/proxies/v1/proxies_pb.ts';
import { type ControlRig, RIG_KEY, startControlRig, staticSession } from '../helpers/control-rig.ts';

const CREATE = 'proxies.v1.Proxies/CreateSession';
const BULK = 'proxies.v1.Proxies/BulkCreateSessions';
let rig: ControlRig;
beforeAll(async () => {
  rig = await startControlRig();
});
afterAll(() => rig.close());

/** Outcomes of the audit rows of a method. */
function audited(method: string): string[] {
  const file = new Database(`${rig.directory}/sallyport.db`, { readonly: true });
  const rows = file.prepare('select outcome from audit_events where method = ? order by id').pluck().all(method);
  file.close();
  return rows as string[];
}

const within = (ms: number) => ({ 'connect-timeout-ms': String(ms) });

function bulkOf(prefix: string, count: number): Record<string, unknown> {
  const { workspaceId, poolId, providerId } = rig.made;
  const endpoint = { scheme: 'http', host: '203.0.113.7', port: 1, username: 'u', password: 'p' };
  const sessions = Array.from({ length: count }, (_, i) => ({ token: `${prefix}-${i}`, ...endpoint }));
  return { workspaceId, poolId, providerId, sessions };
}

test('a write whose deadline passed while it waited for its turn is not there, and is audited once', async () => {
  const before = audited(CREATE).length;
  let running = true;
  const bulk = rig.ok(BULK, bulkOf('long', 4_000)).finally(() => {
    running = false;
  });
  const codes = new Map<string, string>();
  for (let i = 0; running; i++) {
    const answer = await rig.call(CREATE, staticSession(rig, `late-${i}`), RIG_KEY, within(30));
    codes.set(`late-${i}`, answer.status === 200 ? 'ok' : answer.json.code);
  }
  expect((await bulk).createdCount).toBe(4_000);
  expect([...codes.values()]).toContain('deadline_exceeded');
  expect(audited(CREATE).slice(before)).toEqual([...codes.values()]);
  // A token that is taken is a session that is there.
  for (const [token, code] of codes) {
    const again = await rig.call(CREATE, staticSession(rig, token));
    expect([token, again.status === 200 ? 'absent' : again.json.code]).toEqual([
      token,
      code === 'ok' ? 'failed_precondition' : 'absent',
    ]);
  }
});

test('a bulk whose deadline passes is undone whole', async () => {
  const rows = bulkOf('cut', 20_000);
  const cut = await rig.call(BULK, rows, RIG_KEY, within(150));
  expect([cut.status, cut.json.code]).toEqual([504, 'deadline_exceeded']);
  expect(audited(BULK).at(-1)).toBe('deadline_exceeded');
  expect(await rig.ok(BULK, rows)).toMatchObject({ createdCount: 20_000, existingCount: 0 });
});

test('a bulk whose client goes away is undone whole, and audited once', async () => {
  const rows = bulkOf('gone', 20_000);
  const before = audited(BULK).length;
  const gone = AbortSignal.timeout(150);
  const call = fetch(`${rig.url}/${BULK}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${RIG_KEY}` },
    body: JSON.stringify(rows),
    signal: gone,
  });
  await expect(call).rejects.toThrow();
  await expect.poll(() => audited(BULK).slice(before)).toEqual(['canceled']);
  expect(await rig.ok(BULK, rows)).toMatchObject({ createdCount: 20_000, existingCount: 0 });
});

test('a body that does not come in time is answered at the deadline', async () => {
  const socket = connect(Number(new URL(rig.url).port), '127.0.0.1');
  const head = `POST /${CREATE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
  socket.write(
    `${head}Authorization: Bearer ${RIG_KEY}\r\nConnect-Timeout-Ms: 100\r\nContent-Length: 100\r\n\r\n{"tok`,
  );
  const answer = await new Promise<string>((resolve) => socket.once('data', (chunk) => resolve(chunk.toString())));
  socket.destroy();
  expect(answer.split('\r\n')[0]).toContain(' 504 ');
  expect(answer).toContain('deadline_exceeded');
  expect(audited(CREATE).at(-1)).toBe('deadline_exceeded');
});

const transports = {
  Connect: createConnectTransport,
  'gRPC-Web': createGrpcWebTransport,
  gRPC: createGrpcTransport,
} as const;

test.each([
  ['Connect', 'Connect-Timeout-Ms', '301000', '3601000', 'soon', '9999999999'],
  ['gRPC-Web', 'Grpc-Timeout', '301S', '61M', '5', '99999999H'],
  ['gRPC', 'Grpc-Timeout', '301S', '2H', '123456789S', '9999999S'],
] as const)(
  '%s: a deadline that is none, or further away than any may be, is refused by name',
  async (name, header, far, farther, none, beyond) => {
    const warned = vi.spyOn(process, 'emitWarning');
    onTestFinished(() => warned.mockRestore());
    const clientWith = (value: string) => {
      const by: Interceptor = (next) => (request) => {
        request.header.set('authorization', `Bearer ${RIG_KEY}`);
        request.header.set(header, value);
        return next(request);
      };
      return createClient(
        Proxies,
        transports[name]({ baseUrl: rig.url, httpVersion: '1.1', interceptors: [by] } as never),
      );
    };
    const workspaceId = new Uint8Array(Buffer.from(rig.made.workspaceId, 'base64'));
    for (const value of [far, none, beyond]) {
      const error = await clientWith(value).createPool({ workspaceId, name: 'late' }).catch(ConnectError.from);
      expect(error).toMatchObject({
        code: Code.InvalidArgument,
        message: expect.stringContaining(`${header}: must be`),
      });
      expect(audited('proxies.v1.Proxies/CreatePool').at(-1)).toBe('invalid_argument');
    }
    const read = async (value: string) => {
      for await (const _ of clientWith(value).tailRequests({ workspaceId: new Uint8Array(16) })) return null;
      return null;
    };
    // A stream may last an hour: this one is refused for the workspace that it names.
    expect(await read(far).catch(ConnectError.from)).toMatchObject({ code: Code.NotFound });
    expect(await read(farther).catch(ConnectError.from)).toMatchObject({ code: Code.InvalidArgument });
    expect(warned).not.toHaveBeenCalled();
  },
);
